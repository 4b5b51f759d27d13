// What the rest of the engine may ask of the files of one container (cp, export): plain data in, streams out.
import type { Readable } from 'node:stream';
import type { PathStat } from './file-facts.ts';

export interface ViewMount {
  /** Path on the host, or a detached mount that the archive takes over. */
  readonly source: string | { readonly fd: number };
  /** Absolute path in the container. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** How to see a container's files. `ref` is how the user named it, for messages. */
export type RootView =
  | { readonly kind: 'running'; readonly ref: string; readonly pid: number }
  | {
      readonly kind: 'stopped';
      readonly ref: string;
      /** A detached mount of its root. The archive takes it over and closes it. */
      readonly rootFd: number;
      readonly mounts: readonly ViewMount[];
      readonly readOnlyRoot: boolean;
    };

export interface PutOptions {
  /** Refuse to replace a directory by something else or the other way round. */
  noOverwriteDirNonDir: boolean;
  /** Everything gets this owner; undefined keeps the archive's. */
  owner?: { uid: number; gid: number };
  signal?: AbortSignal;
}

/** Docker's archive operations on the files of one container. Streams end when their container does; destroy one to cancel it. */
export interface Archive {
  stat(view: RootView, path: string): Promise<PathStat>;
  get(view: RootView, path: string): Promise<{ stat: PathStat; tar: Readable }>;
  /** Unpacks a tar (plain, gzip or zstd) into the directory `path`. When it fails the stream is left as it is, for the caller to end. */
  put(view: RootView, path: string, tar: Readable, options: PutOptions): Promise<void>;
  /** The whole root as a tar. */
  exportTar(view: RootView): Promise<Readable>;
}
