// `cp`: between a container and this machine, in either direction, as tar streams.
import { lstat, realpath, stat } from 'node:fs/promises';
import { posix, resolve } from 'node:path';
import type { ContainerPathStat } from '../../../daemon/docker-types/container-actions.ts';
import { boolFlag } from '../../../daemon/protocols/flags/flag.ts';
import { readEntries } from '../../../daemon/protocols/tar/read-entries.ts';
import { defaultTarLimits } from '../../../daemon/protocols/tar/tar-reader.ts';
import { humanSize } from '../../../daemon/protocols/units/human-units.ts';
import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import type { Cli } from '../../context.ts';
import {
  assertsDirectory,
  type CopyDestination,
  type CopySource,
  keepEnding,
  planCopy,
  renameEntry,
  splitPath,
} from '../../copy/copy-plan.ts';
import { extract, type LostCapability, resolveDestination } from '../../copy/extract.ts';
import { packTree } from '../../copy/pack-tree.ts';
import { ApiError, CliError } from '../../errors.ts';
import { systemReason } from '../../options/variables.ts';

/** What comes goes to the user's own disk: that is the limit. */
const tarLimits = {
  ...defaultTarLimits,
  maxEntries: Number.MAX_SAFE_INTEGER,
  maxContentBytes: Number.MAX_SAFE_INTEGER,
};

interface CopyOptions {
  container: string;
  source: string;
  destination: string;
  followLink: boolean;
  archive: boolean;
  quiet: boolean;
}

export const cp = defineCommand({
  usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-',
  moreUsages: ['cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH'],
  short: 'Copy files/folders between a container and the local filesystem',
  long: `Copy files/folders between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin
and extract it to a directory destination in a container.
Use '-' as the destination to stream a tar archive of a
container source to stdout.`,
  aliases: ['container cp', 'cp'],
  flags: {
    archive: boolFlag('archive,a', 'Archive mode (copy all uid/gid information)'),
    followLink: boolFlag('follow-link,L', 'Always follow symbol link in SRC_PATH'),
    quiet: boolFlag(
      'quiet,q',
      'Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached',
    ),
  },
  arguments: exactly(2),
  async run({ cli, flags, args: [from = '', to = ''], changed }) {
    if (from === '') throw new CliError('source can not be empty');
    if (to === '') throw new CliError('destination can not be empty');
    const source = splitArgument(from);
    const destination = splitArgument(to);
    const common = {
      source: source.path,
      destination: destination.path,
      followLink: flags.followLink,
      archive: flags.archive,
      quiet: changed.has('quiet') ? flags.quiet : !cli.out.isTerminal,
    };
    if (source.container && destination.container) throw new CliError('copying between containers is not supported');
    if (source.container) await copyOut(cli, { ...common, container: source.container });
    else if (destination.container) await copyIn(cli, { ...common, container: destination.container });
    else throw new CliError('must specify at least one container source');
    return 0;
  },
});

/** `CONTAINER:PATH`, or a local path: one that begins with `/` or `.` is local whatever colons it has. */
function splitArgument(text: string): { container: string; path: string } {
  const colon = text.indexOf(':');
  if (text.startsWith('/') || text.startsWith('.') || colon <= 0) return { container: '', path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

const modeDirectory = 2 ** 31;
const modeSymlink = 2 ** 27;
const hasMode = (mode: number, bit: number) => Math.floor(mode / bit) % 2 === 1;

function archivePath(container: string): string {
  return `/containers/${segment(container)}/archive`;
}

function pathStat(headers: Map<string, string>): ContainerPathStat {
  const header = headers.get('x-docker-container-path-stat') ?? '';
  try {
    return JSON.parse(Buffer.from(header, 'base64').toString()) as ContainerPathStat;
  } catch {
    throw new CliError('unable to decode container path stat header');
  }
}

async function statInContainer(cli: Cli, container: string, path: string): Promise<ContainerPathStat> {
  const response = await cli.client.request('HEAD', archivePath(container), { query: { path } });
  return pathStat(response.headers);
}

async function copyOut(cli: Cli, options: CopyOptions): Promise<void> {
  let { source } = options;
  let rebaseName = '';
  if (options.followLink) {
    const found = await statInContainer(cli, options.container, source).catch(() => undefined);
    if (found && hasMode(found.mode, modeSymlink)) {
      const ending = keepEnding('', source);
      rebaseName = ending.endsWith('.') ? '' : splitPath(source).base;
      const { linkTarget } = found;
      source = linkTarget.startsWith('/') ? linkTarget : posix.join(splitPath(source).directory, linkTarget);
      source = keepEnding(source, options.source);
      if (rebaseName === splitPath(source).base) rebaseName = '';
    }
  }
  const toStdout = options.destination === '-';
  const destination = keepEnding(resolve(options.destination), options.destination);
  if (!toStdout) await checkOutputPath(destination);
  const response = await cli.client.request('GET', archivePath(options.container), { query: { path: source } });
  if (toStdout) {
    for await (const chunk of response.body) await cli.out.write(chunk);
    return;
  }
  const copySource: CopySource = {
    path: source,
    isDirectory: hasMode(pathStat(response.headers).mode, modeDirectory),
    rebaseName,
  };
  const plan = planCopy(copySource, await resolveDestination(destination));
  const progress = new Progress(cli, 'Copying from container', options.quiet);
  let lost: LostCapability[] = [];
  try {
    lost = await extract(readEntries(progress.count(response.body), tarLimits), { plan, keepOwners: options.archive });
  } finally {
    progress.end(destination);
  }
  for (const { path, reason } of lost) cli.err.line(`WARNING: capabilities of ${path} are lost: ${reason}`);
}

/** The directory that the copy goes into must be there. */
async function checkOutputPath(path: string): Promise<void> {
  const { directory } = splitPath(path);
  const parent = await stat(directory).catch(() => undefined);
  if (!parent?.isDirectory()) {
    throw new CliError(`invalid output path: directory ${JSON.stringify(directory)} does not exist`);
  }
  const existing = await stat(path).catch(() => undefined);
  if (existing && !existing.isDirectory() && !existing.isFile()) {
    throw new CliError(`invalid output path: ${JSON.stringify(path)} must be a directory or a regular file`);
  }
}

async function copyIn(cli: Cli, options: CopyOptions): Promise<void> {
  const target = await destinationInContainer(cli, options);
  const progress = new Progress(cli, 'Copying to container', options.quiet);
  let content: AsyncIterable<Uint8Array>;
  let directory = target.path;
  if (options.source === '-') {
    content = process.stdin;
    if (!target.isDirectory) {
      throw new CliError(`destination "${options.container}:${options.destination}" must be a directory`);
    }
  } else {
    const { path, source } = await localSource(options);
    const plan = planCopy(source, target);
    directory = plan.directory;
    const { base } = splitPath(source.path);
    content = packTree(path, renameEntry(base === '/' ? '.' : base, plan.rename));
  }
  try {
    await cli.client.request('PUT', archivePath(options.container), {
      query: { copyUIDGID: options.archive ? 'true' : undefined, noOverwriteDirNonDir: 'true', path: directory },
      body: progress.count(content),
    });
  } finally {
    progress.end(`${options.container}:${target.path}`);
  }
}

async function destinationInContainer(cli: Cli, { container, destination }: CopyOptions): Promise<CopyDestination> {
  const absent: CopyDestination = { path: destination, exists: false, isDirectory: false };
  try {
    let path = destination;
    let found = await statInContainer(cli, container, path);
    if (hasMode(found.mode, modeSymlink)) {
      const { linkTarget } = found;
      path = linkTarget.startsWith('/') ? linkTarget : posix.join(splitPath(destination).directory, linkTarget);
      absent.path = path;
      found = await statInContainer(cli, container, path);
    }
    return { path, exists: true, isDirectory: hasMode(found.mode, modeDirectory) };
  } catch (error) {
    // It may be made by the copy. Whether the container exists, the copy itself will say.
    if (error instanceof ApiError) return absent;
    throw error;
  }
}

async function localSource(options: CopyOptions): Promise<{ path: string; source: CopySource }> {
  const given = keepEnding(resolve(options.source), options.source);
  const plain = given.replace(/(.)\/\.?$/, '$1');
  const fail = (error: unknown) => new CliError(`lstat ${plain}: ${systemReason(error)}`);
  const follows = options.followLink || assertsDirectory(given);
  const path = follows ? await realpath(plain).catch((error) => Promise.reject(fail(error))) : plain;
  const stats = await lstat(path).catch((error) => Promise.reject(fail(error)));
  if (assertsDirectory(given) && !stats.isDirectory()) throw new CliError('not a directory');
  return { path, source: { path: given, isDirectory: stats.isDirectory(), rebaseName: '' } };
}

const progressMs = 75;

/** Counts the bytes that go through and shows them on a terminal. */
class Progress {
  readonly #cli: Cli;
  readonly #title: string;
  readonly #quiet: boolean;
  #bytes = 0;
  #shownMs = 0;

  constructor(cli: Cli, title: string, quiet: boolean) {
    this.#cli = cli;
    this.#title = title;
    this.#quiet = quiet;
  }

  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#bytes += chunk.length;
      this.#show();
      yield chunk;
    }
  }

  #show(): void {
    if (this.#quiet || !this.#cli.err.isTerminal || Date.now() - this.#shownMs < progressMs) return;
    this.#shownMs = Date.now();
    this.#cli.err.print(`\r\x1b[2K${this.#title} - ${humanSize(this.#bytes, 3)}`);
  }

  end(where: string): void {
    if (this.#quiet) return;
    if (this.#cli.err.isTerminal) this.#cli.err.print('\r\x1b[2K');
    this.#cli.err.line(`Successfully copied ${humanSize(this.#bytes, 3)} to ${where}`);
  }
}
