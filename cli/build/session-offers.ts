// --secret and --ssh: what the daemon may ask this side for during a build. Files are looked for before anything is sent.

import { type Stats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { MAX_SECRET_BYTES } from '../../daemon/protocols/grpc/session-messages.ts';
import { CliError } from '../errors.ts';
import { cut, parseCsvLine } from '../options/csv.ts';
import { systemReason } from '../options/variables.ts';
import type { SessionOffers } from './session-server.ts';

/** undefined: nothing is offered. */
export function sessionOffers(
  secrets: readonly string[],
  agents: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): SessionOffers | undefined {
  if (secrets.length === 0 && agents.length === 0) return undefined;
  return {
    secrets: new Map(secrets.map((text) => parseSecret(text, environment))),
    agents: new Map(agents.map((text) => parseAgent(text, environment))),
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** "id=a,src=file", "id=a,env=NAME", "id=a,type=env,src=NAME"; alone, an id is a variable's name, or a file's. */
function parseSecret(text: string, environment: Environment): [string, () => Promise<Uint8Array>] {
  const fields = { id: '', type: '', src: '', env: '' };
  for (const field of fieldsOf(text)) {
    const [name, value] = cut(field, '=');
    const key = name.toLowerCase() === 'source' ? 'src' : name.toLowerCase();
    if (value === undefined) throw new CliError(`invalid field '${field}' must be a key=value pair`);
    if (!(key === 'id' || key === 'type' || key === 'src' || key === 'env'))
      throw new CliError(`unexpected key '${key}' in '${field}'`);
    fields[key] = value;
  }
  const { id, type } = fields;
  if (type !== '' && type !== 'file' && type !== 'env') throw new CliError(`unsupported secret type "${type}"`);
  if (id === '') throw new CliError(`secret missing 'id': ${text}`);
  let { src, env } = fields;
  if (type === 'env' && env === '') [src, env] = ['', src];
  if (src === '' && env === '') [src, env] = environment[id] === undefined ? [id, ''] : ['', id];
  if (env !== '') {
    const value = Buffer.from(environment[env] ?? '');
    return [id, async () => value];
  }
  const bytes = statOf(src, `secret ${id}`).size;
  if (bytes > MAX_SECRET_BYTES) throw new CliError(`secret ${id} too big. max size ${MAX_SECRET_BYTES}B`);
  return [id, () => readFile(src)];
}

function fieldsOf(text: string): string[] {
  try {
    return parseCsvLine(text);
  } catch (error) {
    throw new CliError(`failed to parse csv secret ${text}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** "default", "id", "id=/path/of/a/socket"; without a path it is the agent of this environment. */
function parseAgent(text: string, environment: Environment): [string, string] {
  const [id, value = ''] = cut(text, '=');
  if (id === '') throw new CliError(`invalid ssh agent: ${text}`);
  const path = value === '' ? (environment.SSH_AUTH_SOCK ?? '') : value;
  if (path === '') throw new CliError('invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set');
  if (path.includes(',') || !statOf(path, `ssh ${id}`).isSocket())
    throw new CliError(
      `ssh ${id}: ${path} is no socket: keys as files are not there yet: add them to an agent (ssh-add)`,
    );
  return [id, path];
}

function statOf(path: string, what: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw new CliError(`${what}: failed to stat ${path}: ${systemReason(error)}`);
  }
}
