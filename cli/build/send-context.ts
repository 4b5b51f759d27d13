// A directory of this machine on its way to the daemon: only what it has not had before, where it keeps such directories; else all of it.
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { encodeContextEntry } from '../../daemon/protocols/context-list/context-entry.ts';
import { type ContextOffer, decodeContextOffer } from '../../daemon/protocols/context-list/context-offer.ts';
import type { Cli } from '../context.ts';
import { ApiError, CliError } from '../errors.ts';
import { textLines } from '../views/progress.ts';
import { type ContextFile, contextFiles } from './context-files.ts';
import { type DirectoryContext, ignoreText } from './find-context.ts';
import { packContext } from './pack-context.ts';

export interface SentContext {
  /** For the parameter `context` of the build; undefined: the daemon keeps none, and the archive is all. */
  readonly update: string | undefined;
  readonly archive: AsyncIterable<Uint8Array>;
}

/** Of a list in one piece of its way. */
const pieceCharacters = 64 * 1024;

export async function sendContext(cli: Cli, context: DirectoryContext): Promise<SentContext> {
  const files = [...contextFiles(context)];
  const offer = await offerOf(cli, context, files);
  if (offer === undefined) return { update: undefined, archive: packContext(files) };
  return { update: offer.update, archive: packContext(needed(files, offer)) };
}

/** undefined: the daemon is another engine's. */
async function offerOf(
  cli: Cli,
  context: DirectoryContext,
  files: readonly ContextFile[],
): Promise<ContextOffer | undefined> {
  try {
    const response = await cli.client.request('POST', `/build/contexts/${nameOf(context)}`, {
      body: listOf(files),
      headers: { 'Content-Type': 'application/x-ndjson' },
    });
    return decodeContextOffer(await collect(textLines(response.body)));
  } catch (error) {
    if (error instanceof ApiError && error.httpStatus === 404) return undefined;
    throw error;
  }
}

/** What the daemon calls it: the same for the same directory of the same machine. */
function nameOf({ root }: DirectoryContext): string {
  return createHash('sha256')
    .update(`${hostname()}\0${process.getuid?.() ?? 0}\0${root}`)
    .digest('hex');
}

async function* listOf(files: readonly ContextFile[]): AsyncGenerator<Uint8Array> {
  let piece = '';
  for (const { entry } of files) {
    piece += `${encodeContextEntry(entry)}\n`;
    if (piece.length < pieceCharacters) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  yield Buffer.from(piece);
}

function* needed(files: readonly ContextFile[], offer: ContextOffer): Generator<ContextFile> {
  const regular = files.filter(({ entry }) => entry.kind === 'file');
  for (const [first, count] of offer.needed) yield* regular.slice(first, first + count);
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

/** A directory for a build that comes next, as the value of `contexts`. Throws CliError where the daemon keeps none. */
export async function sendNamedContext(cli: Cli, name: string, root: string): Promise<string> {
  const context: DirectoryContext = { kind: 'directory', root, dockerfile: 'Dockerfile', ignore: undefined, extra: [] };
  const { update, archive } = await sendContext(cli, { ...context, ignore: ignoreText(root) });
  if (update === undefined)
    throw new CliError(`--build-context ${name}: the daemon takes no directories beside the context`);
  const response = await cli.client.request('PUT', `/build/contexts/${nameOf(context)}`, {
    query: { update },
    body: archive,
  });
  const kept = JSON.parse((await response.body.bytes()).toString()) as { name: string };
  return `local:${kept.name}`;
}
