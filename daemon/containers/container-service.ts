// What the API may ask of containers: plain data in Docker's wire form in, wire form out. Implemented by engine.ts out of the use
// cases beside this file. Every method throws EngineError with Docker's message; `ref` is an id, a name or a unique id prefix.
import type { Readable } from 'node:stream';
import type { ContainerConfig } from '../api/types/container-config.ts';
import type { HostConfig } from '../api/types/host-config.ts';
import type { Filters } from '../state/filters.ts';

/** A JSON answer in Docker's wire form, ready for JSON.stringify. */
export type Wire = Record<string, unknown>;

export type CreateBody = ContainerConfig & {
  HostConfig?: HostConfig | null;
  NetworkingConfig?: { EndpointsConfig?: Record<string, Wire | null> | null } | null;
};

export interface ExecBody {
  AttachStdin?: boolean;
  AttachStdout?: boolean;
  AttachStderr?: boolean;
  DetachKeys?: string;
  Tty?: boolean;
  Env?: string[] | null;
  Cmd?: string[] | null;
  Privileged?: boolean;
  User?: string;
  WorkingDir?: string;
  ConsoleSize?: readonly number[] | null;
}

export interface ListOptions {
  all: boolean;
  /** 0 or less: no limit. */
  limit: number;
  size: boolean;
  filters: Filters;
}

/** What a container or an exec wrote, in order; `stream` is 1 for stdout (and for a terminal), 2 for stderr. */
export interface OutputChunk {
  stream: 1 | 2;
  data: Buffer;
}

export interface StdinSink {
  /** Resolves when the bytes are taken: wait for it, that is the back-pressure. Rejects when the container ended. */
  write(bytes: Uint8Array): Promise<void>;
  /** The client's input ended. Closes the container's stdin where Docker does (StdinOnce, exec). */
  end(): Promise<void>;
}

export interface Attachment {
  tty: boolean;
  /** Ends when the process has ended and everything it wrote was delivered, or after close(). */
  output: AsyncIterable<OutputChunk>;
  stdin?: StdinSink;
  /** The client left. Idempotent; the container goes on. */
  close(): void;
}

export interface AttachOptions {
  stream: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** First what was written before. */
  logs: boolean;
}

export interface LogsOptions {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  timestamps: boolean;
  details: boolean;
  /** Lines from the end; undefined is all. */
  tail?: number;
  sinceNs?: bigint;
  untilNs?: bigint;
}

/** Chunks hold one line each (with its line end, when it has one), prefixed with time stamp and details as asked. */
export interface LogStream {
  tty: boolean;
  output: AsyncIterable<OutputChunk>;
  close(): void;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** Returned once the wait is registered: only now may the client start the container. */
export interface Waiter {
  result: Promise<{ StatusCode: number; Error?: { Message: string } }>;
  cancel(): void;
}

/** Of a file in a container; `mode` is Go's os.FileMode. */
export interface PathStat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  linkTarget: string;
}

export interface CommitOptions {
  repo?: string;
  tag?: string;
  comment: string;
  author: string;
  pause: boolean;
  changes: string[];
  config?: ContainerConfig | null;
}

export interface PutArchiveOptions {
  noOverwriteDirNonDir: boolean;
  copyUidGid: boolean;
}

export interface ContainerService {
  create(body: CreateBody, options: { name?: string; platform?: string }): Promise<{ Id: string; Warnings: string[] }>;
  list(options: ListOptions): Promise<Wire[]>;
  inspect(ref: string, options: { size: boolean }): Promise<Wire>;
  /** Throws 'not-modified' when it runs already. */
  start(ref: string): Promise<void>;
  /** `timeoutSeconds` -1 waits for ever; throws 'not-modified' when it does not run. */
  stop(ref: string, options: { signal?: string; timeoutSeconds?: number }): Promise<void>;
  restart(ref: string, options: { signal?: string; timeoutSeconds?: number }): Promise<void>;
  kill(ref: string, options: { signal?: string }): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  update(ref: string, body: HostConfig): Promise<{ Warnings: string[] }>;
  remove(ref: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  prune(filters: Filters): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }>;
  wait(ref: string, condition: WaitCondition): Promise<Waiter>;
  resize(ref: string, size: { height: number; width: number }): Promise<void>;
  top(ref: string, psArgs: string): Promise<{ Titles: string[]; Processes: string[][] }>;
  /** With `stream` false: one object. The iteration ends when the container is removed, or by return(). */
  stats(ref: string, options: { stream: boolean; oneShot: boolean }): Promise<AsyncIterable<Wire>>;
  logs(ref: string, options: LogsOptions): Promise<LogStream>;
  /** May be called before start: then it delivers from the first byte. */
  attach(ref: string, options: AttachOptions): Promise<Attachment>;
  createExec(ref: string, body: ExecBody): Promise<{ Id: string }>;
  /**
   * `attach` false is detached: then no Attachment. `check` runs all refusals (404, 409) first, so that they get a real status; a
   * command that cannot be started after it is told on the output and in the exit code, as Docker does.
   */
  startExec(
    id: string,
    options: { detach: boolean; tty?: boolean; consoleSize?: readonly number[] },
  ): Promise<Attachment | undefined>;
  resizeExec(id: string, size: { height: number; width: number }): Promise<void>;
  inspectExec(id: string): Promise<Wire>;
  changes(ref: string): Promise<{ Path: string; Kind: 0 | 1 | 2 }[] | null>;
  export(ref: string): Promise<Readable>;
  statPath(ref: string, path: string): Promise<PathStat>;
  getArchive(ref: string, path: string): Promise<{ stat: PathStat; tar: Readable }>;
  putArchive(ref: string, path: string, tar: Readable, options: PutArchiveOptions): Promise<void>;
  commit(ref: string, options: CommitOptions): Promise<{ Id: string }>;
  /** For removing images: which containers use it. */
  usersOfImage(imageId: string): { id: string; name: string; isRunning: boolean; imageRef: string }[];
  /** The dry run of `tsdocker explain run …`: nothing is made. */
  explain(body: CreateBody): Promise<string>;
  explainContainer(ref: string): Promise<string>;
}
