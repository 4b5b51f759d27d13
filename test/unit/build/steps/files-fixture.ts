// File steps on a data root of their own: no images, no daemon. Trees are made and looked at through the kernel.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CopyAction, FileAction, Operation, Vertex } from '../../../../daemon/build/graph/operation.ts';
import { type FileSteps, openFileSteps } from '../../../../daemon/build/steps/files/open-file-steps.ts';
import { layersResult } from '../../../../daemon/build/steps/layers-result.ts';
import type { DirectoryResult, LayersResult, Result, Selection, StepRun } from '../../../../daemon/build/steps/step.ts';
import { openStorage, type Storage } from '../../../../daemon/open-storage.ts';
import { Database } from '../../../../daemon/state/database.ts';
import { noSettings } from './exec-rig.ts';

const platform = { os: 'linux', architecture: 'amd64' };

export const defaultCopy: CopyAction & { input: number; output: number } = {
  action: 'copy',
  input: 0,
  from: 1,
  output: 0,
  sources: ['/'],
  destination: '/',
  exclude: [],
  unpacks: false,
  keepsParents: false,
  replacesLinks: false,
  allowsNoMatch: true,
  hasWildcards: true,
};

export class FilesFixture {
  readonly path = mkdtempSync(join(tmpdir(), 'tsdocker-files-'));
  readonly #database = Database.open(join(this.path, 'state.db'));
  readonly storage: Storage = openStorage({ dataRoot: join(this.path, 'data'), database: this.#database });
  readonly steps: FileSteps = openFileSteps(this.storage);
  #contexts = 0;

  constructor() {
    mkdirSync(join(this.path, 'contexts'));
  }

  /** A directory as a client's context is one. */
  context(fill: (directory: string) => void): DirectoryResult {
    const name = `context-${this.#contexts++}`;
    const path = join(this.path, 'contexts', name);
    mkdirSync(path);
    fill(path);
    const result: DirectoryResult = {
      kind: 'directory',
      path,
      identity: name,
      again: () => result,
      [Symbol.dispose]: () => undefined,
    };
    return result;
  }

  /** Layers, the lowest first, each written through an overlay. */
  layers(...fills: ((root: string) => void)[]): LayersResult {
    let top: LayersResult | undefined;
    for (const fill of fills) {
      using root = this.storage.snapshots.openRoot(top?.top);
      const fd = root.mount();
      try {
        fill(`/proc/${process.pid}/fd/${fd}`);
      } finally {
        closeSync(fd);
      }
      const next = layersResult(this.storage.layers, root.seal());
      top?.[Symbol.dispose]();
      top = next;
    }
    return top ?? this.nothing;
  }

  get nothing(): LayersResult {
    return layersResult(this.storage.layers, undefined);
  }

  run(operation: Operation, signal: AbortSignal = new AbortController().signal): StepRun {
    const vertex: Vertex = { digest: 'sha256:0', operation, inputs: [], name: 'test', ignoresCache: false };
    return {
      vertex,
      signal,
      exec: noSettings,
      client: {
        secret: async () => undefined,
        sshAgent: async () => undefined,
        directory: async () => undefined,
      },
      log: () => undefined,
      status: () => undefined,
    };
  }

  async file(actions: readonly FileAction[], inputs: readonly Result[], signal?: AbortSignal): Promise<LayersResult> {
    const [first] = await this.steps.file(this.run({ kind: 'file', actions, platform }, signal), inputs);
    if (first === undefined) throw new Error('no output');
    return first;
  }

  /** COPY of some files onto others. */
  copy(onto: Result, from: Result, options: Partial<CopyAction>): Promise<LayersResult> {
    return this.file([{ ...defaultCopy, ...options }], [onto, from]);
  }

  checksum(input: Result, selection: Partial<Selection>): Promise<string> {
    const all = { sources: ['/'], exclude: [], hasWildcards: true, allowsNoMatch: true, followsLinks: true };
    return this.steps.checksum(input, { ...all, ...selection }, new AbortController().signal);
  }

  /** Looks at all files of a result together. */
  within<T>(result: LayersResult, look: (root: string) => T): T {
    if (result.top === undefined) throw new Error('no files');
    const fd = this.storage.snapshots.view(result.top);
    try {
      return look(`/proc/${process.pid}/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
  }

  /** The highest layer alone, as it lies there: "d755 0:0 /etc" and "f644 0:0 /etc/a", sorted. */
  layer(result: LayersResult): string[] {
    return listing(this.storage.layers.dirOf(result.top ?? 0));
  }

  /** All files, as they are seen. */
  tree(result: LayersResult): string[] {
    return this.within(result, listing);
  }

  /** What lies in staging beside the workers' own. */
  left(): string[] {
    return readdirSync(join(this.path, 'data/staging'));
  }

  async close(): Promise<void> {
    await this.storage.close();
    this.#database.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

function listing(root: string): string[] {
  const format = '%y%m %U:%G /%P -> %l\\0';
  const found = execFileSync('find', [`${root}/.`, '-mindepth', '1', '-printf', format]).toString();
  const pathIn = (line: string) => line.slice(line.indexOf('/'));
  return found
    .split('\0')
    .filter(Boolean)
    .map((line) => line.replace(/ -> $/, ''))
    .sort((a, b) => (pathIn(a) < pathIn(b) ? -1 : 1));
}
