// --cache-from and --cache-to: what of them is a directory of this machine. What comes is sent ahead of the build, what goes out is unpacked here.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';
import { cut, parseCsvLine } from '../options/csv.ts';
import type { OutputSpec } from './build-outputs.ts';
import { sendNamedContext } from './send-context.ts';

/** The values of `cachefrom`. Throws CliError. */
export async function cacheSources(cli: Cli, texts: readonly string[]): Promise<string[]> {
  const values: string[] = [];
  for (const text of texts) {
    if (!text.includes('=')) {
      values.push(text);
      continue;
    }
    const attributes = attributesOf('cache-from', text);
    const { type, src = '' } = attributes;
    if (type === 'local') {
      if (src === '') throw new CliError('--cache-from type=local requires src');
      // The first build of all has none.
      if (!existsSync(join(src, 'index.json'))) {
        cli.err.line(`WARNING: local cache import at ${src} not found: it has no index.json`);
        continue;
      }
      attributes.src = await sendNamedContext(cli, `cache ${src}`, resolve(src));
    }
    values.push(textOf(attributes));
  }
  return values;
}

/** The values of `cacheto`, and where those go that come to this machine. Throws CliError. */
export function cacheDestinations(texts: readonly string[]): {
  readonly values: string[];
  readonly specs: OutputSpec[];
} {
  const values: string[] = [];
  const specs: OutputSpec[] = [];
  for (const text of texts) {
    const attributes = text.includes('=') ? attributesOf('cache-to', text) : { type: 'registry', ref: text };
    const { type = '', dest = '', ...rest } = attributes;
    if (type === 'local' && dest === '') throw new CliError('--cache-to type=local requires dest');
    values.push(textOf(type === 'local' ? { type, ...rest } : attributes));
    specs.push({ type: 'cache', attributes: {}, destination: dest });
  }
  return { values, specs };
}

function attributesOf(option: string, text: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const field of parseCsvLine(text)) {
    const [key, value] = cut(field, '=');
    if (value === undefined) throw new CliError(`invalid value ${field}, expected k=v`);
    if (value.includes(',')) throw new CliError(`--${option}: a comma in ${field} is not supported`);
    attributes[key.trim().toLowerCase()] = value;
  }
  if (attributes.type === undefined) throw new CliError(`type required form> ${JSON.stringify(text)}`);
  return attributes;
}

function textOf(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
