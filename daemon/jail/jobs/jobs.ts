// The jobs of a jail: what runs while the thread stands in a job's place. Short ones return at once; the others read from or write to a
// chunk port and hand control back to the event loop in between.
import { createHash, type Hash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { syncfs } from '../../../native-bindings/files.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { defaultTarLimits, TarReader, type TarSink } from '../../protocols/tar/tar-reader.ts';
import { throwIfCancelled } from '../cancellation.ts';
import { ChunkSender, cancelChunks, receiveChunks } from '../chunk-port.ts';
import type { PathStat } from '../file-facts.ts';
import type { FileRange, Job, PackResult, PackTimes, UnpackResult } from '../messages.ts';
import { changeFiles } from './files/change-files.ts';
import { checksumTree } from './files/checksum-tree.ts';
import { nameSources } from './files/name-sources.ts';
import { cloneMount, mountRemote } from './hold-mount.ts';
import { linkTree } from './link-tree.ts';
import { makeMountPoints } from './mount-points.ts';
import { removeNeedlessWhiteouts } from './needless-whiteouts.ts';
import { CHUNK_BYTES, Packer } from './pack.ts';
import { type HeldPath, holdPath, holdTarget, statHeld, statPath } from './path-stat.ts';
import { holdDirectory } from './path-walk.ts';
import { removeBelow } from './remove-tree.ts';
import type { Scratches } from './scratch.ts';
import { jsonChunks, openHere, openRoot, treeChanges } from './tree-changes.ts';
import { treeSize, treeUsage } from './tree-size.ts';
import { Unpacker, type UnpackOptions } from './unpack.ts';
import { removeGone, TreeUpdate } from './update-tree.ts';

export interface JobPorts {
  input: MessagePort | undefined;
  output: MessagePort | undefined;
  head(stat: PathStat): void;
  /** The first bytes of the output are there: from now on an error can only cut it off. */
  begun(): void;
  /** Called with what ends the job while it waits for a port. */
  onCancel(stop: (reason: Error) => void): void;
  readonly scratches: Scratches;
  /** What a job does when it is called is done in turns with other workers' jobs; so is what it does when its ports wake it. */
  inTurn<T>(work: () => T): T;
}

/** Runs a job whose place was entered. Resolves to its result. */
export async function runJob(job: Job, ports: JobPorts): Promise<unknown> {
  switch (job.do) {
    case 'stat':
      return statPath(job.path);
    case 'change-files':
      changeFiles(job, ports.scratches);
      return undefined;
    case 'checksum':
      return withRoot((fd) => checksumTree(fd, job, ports.scratches));
    case 'name-sources':
      return withRoot((fd) => nameSources(fd, job.choice, ports.scratches));
    case 'changes':
      return changes(job.lowerFd, ports);
    case 'size':
      return withRoot((fd) => treeSize(fd, ports.scratches.notes));
    case 'usage':
      return withRoot(treeUsage);
    case 'sizes':
      return job.directories.map((path) =>
        sizeBelow(path, job.count === 'size' ? (fd) => treeSize(fd, ports.scratches.notes) : treeUsage),
      );
    case 'make-mount-points':
      makeMountPoints(job.points);
      return undefined;
    case 'empty':
      return withRoot((fd) => removeBelow(fd, new Set(job.passOver))).map(({ name, error }) => ({
        name,
        reason: error.message,
      }));
    case 'mount':
      return mountRemote(job);
    case 'clone-mount':
      return cloneMount(job);
    case 'put':
      return put(job, ports);
    case 'link-tree':
      return linkTree(job);
    case 'update-tree':
      return updateTree(job, ports);
    case 'unpack-layer':
      return unpackLayer(job, ports);
    case 'sync':
      withRoot(syncfs);
      return undefined;
    case 'pack-layer':
      return packLayer(ports, job.times);
    case 'digest-layer':
      return withRoot((fd) => {
        removeNeedlessWhiteouts(fd, job.lowerFd);
        return digestLayer(fd, ports.scratches);
      });
    case 'get':
      return get(job.path, ports);
    case 'export':
      return exportRoot(ports, job.times);
  }
}

function withRoot<T>(work: (fd: number) => T): T {
  const fd = openRoot();
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

/** What is wrong with one directory is not the others' matter. */
function sizeBelow(path: string, sizeOf: (fd: number) => number): number | null {
  throwIfCancelled();
  try {
    using directory = holdDirectory(path);
    directory.enter();
    const fd = openHere();
    try {
      return sizeOf(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    throwIfCancelled();
    return null;
  }
}

async function put(job: Job & { do: 'put' }, ports: JobPorts): Promise<void> {
  using target = holdTarget(job.path);
  await unpack({ form: 'copy', destination: target.path, ...job.options }, defaultTarLimits.maxContentBytes, ports);
  if (job.isSynced) withRoot(syncfs);
}

async function updateTree({ path, changesFd }: Job & { do: 'update-tree' }, ports: JobPorts): Promise<void> {
  removeGone(path, changesFd);
  using target = holdTarget(path);
  const options: UnpackOptions = {
    form: 'copy',
    destination: target.path,
    noOverwriteDirNonDir: false,
    owner: undefined,
  };
  const { maxContentBytes } = defaultTarLimits;
  await unpack(options, maxContentBytes, ports, undefined, (unpacker) => new TreeUpdate(unpacker, changesFd));
}

async function unpackLayer(job: Job & { do: 'unpack-layer' }, ports: JobPorts): Promise<UnpackResult> {
  const options: UnpackOptions = { form: 'layer', destination: '/', noOverwriteDirNonDir: false, owner: undefined };
  const limit = job.maxContentBytes ?? defaultTarLimits.maxContentBytes;
  const given = job.digest === true ? createHash('sha256') : undefined;
  const result =
    job.from === undefined
      ? await unpack(options, limit, ports, given)
      : unpackFile(options, limit, job.from, ports.scratches, given);
  if (given !== undefined) result.diffId = `sha256:${given.digest('hex')}`;
  if (job.repack) {
    Object.assign(
      result,
      withRoot((fd) => digestLayer(fd, ports.scratches)),
    );
  }
  if (!job.unsynced) withRoot(syncfs);
  return result;
}

/** What the archive of a layer is, which nobody gets. */
function digestLayer(fd: number, scratches: Scratches): PackResult {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const packer = new Packer({ form: 'layer', allocate: () => buffer, scratches });
  let tarBytes = 0;
  for (const chunk of layerChunks(packer, fd)) {
    hash.update(chunk);
    tarBytes += chunk.length;
  }
  return { diffId: `sha256:${hash.digest('hex')}`, sizeBytes: packer.sizeBytes, tarBytes };
}

function* layerChunks(packer: Packer, rootFd: number): Generator<Buffer> {
  yield* packer.directory(rootFd, '');
  yield* packer.end();
}

/** What stands between an archive and what unpacks it; `finish` comes when the archive has ended. */
interface Between extends TarSink {
  finish(): void;
}

/** Reads a whole archive from the input port. */
function unpack(
  options: UnpackOptions,
  maxContentBytes: number,
  ports: JobPorts,
  hash?: Hash,
  wrap?: (unpacker: Unpacker) => Between,
): Promise<UnpackResult> {
  const port = ports.input;
  if (port === undefined) throw new TypeError('unpack needs an input');
  const unpacker = new Unpacker(options, ports.scratches.notes);
  const between = wrap?.(unpacker);
  const reader = new TarReader(between ?? unpacker, { ...defaultTarLimits, maxContentBytes });
  return new Promise((resolve, reject) => {
    let isOver = false;
    let tarBytes = 0;
    const stop = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      unpacker[Symbol.dispose]();
      cancelChunks(port);
      reject(error);
    };
    const guarded = (work: () => void): void => {
      if (isOver) return;
      try {
        ports.inTurn(work);
      } catch (error) {
        stop(error);
      }
    };
    receiveChunks(port, {
      chunk: (bytes) =>
        guarded(() => {
          tarBytes += bytes.length;
          hash?.update(bytes);
          reader.write(bytes);
        }),
      end: () =>
        guarded(() => {
          reader.end();
          between?.finish();
          unpacker.finish();
          unpacker[Symbol.dispose]();
          isOver = true;
          resolve({ sizeBytes: unpacker.sizeBytes, tarBytes, entries: reader.entries });
        }),
      failed: stop,
    });
    ports.onCancel(stop);
  });
}

/** Reads a whole archive from a file: nothing has to be handed from thread to thread. */
function unpackFile(
  options: UnpackOptions,
  maxContentBytes: number,
  from: FileRange,
  scratches: Scratches,
  hash?: Hash,
): UnpackResult {
  using unpacker = new Unpacker(options, scratches.notes);
  const reader = new TarReader(unpacker, { ...defaultTarLimits, maxContentBytes });
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (let done = 0; done < from.bytes; ) {
    throwIfCancelled();
    const count = readSync(from.fd, buffer, 0, Math.min(buffer.length, from.bytes - done), from.offset + done);
    if (count === 0) throw new EngineError('system', 'read layer: the file ended before its end');
    const bytes = buffer.subarray(0, count);
    hash?.update(bytes);
    reader.write(bytes);
    done += count;
  }
  reader.end();
  unpacker.finish();
  return { sizeBytes: unpacker.sizeBytes, tarBytes: from.bytes, entries: reader.entries };
}

async function packLayer(ports: JobPorts, times?: PackTimes): Promise<PackResult> {
  const hash = createHash('sha256');
  let tarBytes = 0;
  const fd = openRoot();
  try {
    let packer: Packer | undefined;
    await send(
      ports,
      (allocate) => {
        packer = new Packer({
          ...{ form: 'layer', allocate, scratches: ports.scratches },
          ...(times === undefined ? {} : { times }),
        });
        return layerChunks(packer, fd);
      },
      (chunk) => {
        hash.update(chunk);
        tarBytes += chunk.length;
      },
    );
    return { diffId: `sha256:${hash.digest('hex')}`, sizeBytes: (packer as unknown as Packer).sizeBytes, tarBytes };
  } finally {
    closeSync(fd);
  }
}

async function get(text: string, ports: JobPorts): Promise<void> {
  using path = holdPath(text);
  ports.head(statHeld(path));
  await send(ports, (allocate) => pathChunks(copier(allocate, ports), path));
}

function* pathChunks(packer: Packer, path: HeldPath): Generator<Buffer> {
  if (path.name !== undefined) yield* packer.entry(path.parent.fd, path.name, path.shownName);
  else {
    path.parent.enter();
    const fd = openHere();
    try {
      const [rootName, prefix] =
        path.shownName === '/'
          ? ['/', '/']
          : path.shownName === '.'
            ? ['./', './']
            : [`${path.shownName}/`, `${path.shownName}/`];
      yield* packer.directory(fd, prefix as string, rootName);
    } finally {
      closeSync(fd);
    }
  }
  yield* packer.end();
}

async function exportRoot(ports: JobPorts, times?: PackTimes): Promise<void> {
  const fd = openRoot();
  try {
    await send(ports, (allocate) => layerChunks(copier(allocate, ports, times), fd));
  } finally {
    closeSync(fd);
  }
}

async function changes(lowerFd: number, ports: JobPorts): Promise<void> {
  const fd = openRoot();
  try {
    await send(ports, () => jsonChunks(treeChanges(fd, lowerFd, ports.scratches.names), CHUNK_BYTES / 4));
  } finally {
    closeSync(fd);
  }
}

function copier(allocate: (bytes: number) => Buffer, { scratches }: JobPorts, times?: PackTimes): Packer {
  return new Packer({ form: 'copy', allocate, scratches, ...(times === undefined ? {} : { times }) });
}

/** Sends what is made as the receiver takes it. A receiver that has gone ends it quietly. */
function send(
  ports: JobPorts,
  begin: (allocate: (bytes: number) => Buffer) => Generator<Buffer>,
  onChunk?: (chunk: Buffer) => void,
): Promise<void> {
  const port = ports.output;
  if (port === undefined) throw new TypeError('pack needs an output');
  return new Promise((resolve, reject) => {
    let isOver = false;
    let isBegun = false;
    const finish = (error?: unknown): void => {
      if (isOver) return;
      isOver = true;
      try {
        chunks.return(undefined);
      } catch (second) {
        error ??= second;
      }
      if (error === undefined) resolve();
      else {
        sender.fail(error instanceof Error ? error.message : String(error));
        reject(error);
      }
    };
    const sendNext = (): void => {
      const next = chunks.next();
      if (!isBegun) ports.begun();
      isBegun = true;
      if (next.done) {
        sender.end();
        finish();
        return;
      }
      onChunk?.(next.value);
      sender.sendOwned(next.value);
    };
    const sender: ChunkSender = new ChunkSender(port, {
      cancel: () => finish(),
      credit: () => {
        try {
          ports.inTurn(() => {
            while (!isOver && sender.hasCredit) sendNext();
          });
        } catch (error) {
          finish(error);
        }
      },
    });
    const chunks = begin((bytes) => sender.take(bytes));
    ports.onCancel(finish);
  });
}
