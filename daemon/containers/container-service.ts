// What the API may ask of containers: requests in Docker's wire form in; out of what is only looked at, plain data of ours, of which
// docker-api/views make the wire form. Implemented by engine-containers.ts out of
// the use cases beside this file. Every method throws EngineError with Docker's message; `ref` is an id, a name or a unique id prefix.
import type { Readable } from 'node:stream';
import type {
  ContainerCreateRequest,
  ContainerCreateResponse,
  ContainerPathStat,
  ContainerPruneResponse,
  ContainerTopResponse,
  ContainerUpdateRequest,
  ContainerUpdateResponse,
  IdResponse,
} from '../docker-types/container-actions.ts';
import type { ContainerConfig } from '../docker-types/container-config.ts';
import type { ExecConfig, ExecInspectResponse } from '../docker-types/exec.ts';
import type { NetworkConnectRequest, NetworkDisconnectRequest } from '../docker-types/network.ts';
import type { Filters } from '../state/filters.ts';
import type { OutputChunk, StdinSink } from '../tasks/task-stdio.ts';
import type { InspectedContainer, ListedContainer } from './seen/seen-container.ts';
import type { StatsSample } from './seen/stats-sample.ts';

export interface ListOptions {
  all: boolean;
  /** 0 or less: no limit. */
  limit: number;
  size: boolean;
  filters: Filters;
}

export type { OutputChunk, StdinSink };

/** As many chunks at once as one read of the log gave. */
export type Output = AsyncIterable<OutputChunk | readonly OutputChunk[]>;

export interface Attachment {
  tty: boolean;
  /** Ends when the process has ended and everything it wrote was delivered, or after close(). */
  output: Output;
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
  output: Output;
  close(): void;
}

/** 'healthy' is of our own: status 0 once it is, 1 with a message when it ends or turns unhealthy first. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed' | 'healthy';

/** Returned once the wait is registered: only now may the client start the container. */
export interface Waiter {
  result: Promise<{ StatusCode: number; Error?: { Message: string } }>;
  cancel(): void;
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
  create(body: ContainerCreateRequest, options: { name?: string; platform?: string }): Promise<ContainerCreateResponse>;
  /** Newest first. */
  list(options: ListOptions): Promise<ListedContainer[]>;
  inspect(ref: string, options: { size: boolean }): Promise<InspectedContainer>;
  /** Throws 'not-modified' when it runs already. */
  start(ref: string): Promise<void>;
  /** `timeoutSeconds` -1 waits for ever; throws 'not-modified' when it does not run. */
  stop(ref: string, options: { signal?: string; timeoutSeconds?: number }): Promise<void>;
  restart(ref: string, options: { signal?: string; timeoutSeconds?: number }): Promise<void>;
  kill(ref: string, options: { signal?: string }): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  update(ref: string, body: ContainerUpdateRequest): Promise<ContainerUpdateResponse>;
  remove(ref: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  prune(filters: Filters): Promise<ContainerPruneResponse>;
  wait(ref: string, condition: WaitCondition): Promise<Waiter>;
  resize(ref: string, size: { height: number; width: number }): Promise<void>;
  top(ref: string, psArgs: string): Promise<ContainerTopResponse>;
  /** With `stream` false: one object. The iteration ends when the container is removed, or by return(). */
  stats(ref: string, options: { stream: boolean; oneShot: boolean }): Promise<AsyncIterable<StatsSample>>;
  logs(ref: string, options: LogsOptions): Promise<LogStream>;
  /** May be called before start: then it delivers from the first byte. */
  attach(ref: string, options: AttachOptions): Promise<Attachment>;
  createExec(ref: string, body: ExecConfig): Promise<IdResponse>;
  /**
   * Detached: no Attachment. Refusals (404, 409) are thrown; a command that cannot be executed is told on the output and in the exit
   * code, as Docker does. The exit code is set before the output ends.
   */
  startExec(
    id: string,
    options: { detach: boolean; tty?: boolean; consoleSize?: readonly number[] },
  ): Promise<Attachment | undefined>;
  resizeExec(id: string, size: { height: number; width: number }): Promise<void>;
  inspectExec(id: string): Promise<ExecInspectResponse>;
  /** An array of FilesystemChange, or null, as JSON. */
  changes(ref: string): Promise<Readable>;
  export(ref: string): Promise<Readable>;
  statPath(ref: string, path: string): Promise<ContainerPathStat>;
  getArchive(ref: string, path: string): Promise<{ stat: ContainerPathStat; tar: Readable }>;
  putArchive(ref: string, path: string, tar: Readable, options: PutArchiveOptions): Promise<void>;
  commit(ref: string, options: CommitOptions): Promise<IdResponse>;
  /** For removing images: which containers use it. */
  usersOfImage(imageId: string): { id: string; name: string; isRunning: boolean; imageRef: string }[];
  connectNetwork(ref: string, body: NetworkConnectRequest): Promise<void>;
  disconnectNetwork(ref: string, body: NetworkDisconnectRequest): Promise<void>;
  /** The dry run of `tsdocker explain run …`: nothing is made. */
  explain(body: ContainerCreateRequest): Promise<string>;
  explainContainer(ref: string): Promise<string>;
}
