// The part of dockerode that the tests use; the package carries no types.
declare module 'dockerode' {
  import type { Duplex } from 'node:stream';

  interface Container {
    id: string;
    attach(options: Record<string, unknown>): Promise<Duplex>;
    start(): Promise<unknown>;
    stop(options?: Record<string, unknown>): Promise<unknown>;
    wait(): Promise<{ StatusCode: number }>;
    remove(options?: Record<string, unknown>): Promise<unknown>;
    inspect(): Promise<{ State: { Running: boolean; ExitCode: number; Health?: { Status: string } } }>;
    logs(options: Record<string, unknown>): Promise<Buffer>;
    exec(options: Record<string, unknown>): Promise<{
      start(options: Record<string, unknown>): Promise<Duplex>;
      inspect(): Promise<{ ExitCode: number | null; Running: boolean }>;
    }>;
    getArchive(options: { path: string }): Promise<NodeJS.ReadableStream>;
    putArchive(tar: Buffer, options: { path: string }): Promise<unknown>;
    commit(options: Record<string, unknown>): Promise<{ Id: string }>;
    stats(options: { stream: false }): Promise<{ pids_stats: { current: number } }>;
    modem: { demuxStream(stream: Duplex, out: NodeJS.WritableStream, err: NodeJS.WritableStream): void };
  }

  class Docker {
    constructor(options: { socketPath: string; version?: string });
    ping(): Promise<Buffer>;
    version(): Promise<{ ApiVersion: string }>;
    info(): Promise<Record<string, unknown>>;
    createContainer(options: Record<string, unknown>): Promise<Container>;
    getContainer(id: string): Container;
    listContainers(options?: Record<string, unknown>): Promise<{ Id: string; Names: string[] }[]>;
    listImages(): Promise<{ RepoTags: string[] }[]>;
    buildImage(
      context: NodeJS.ReadableStream | string | { context: string; src: string[] },
      options?: Record<string, unknown>,
    ): Promise<NodeJS.ReadableStream>;
    run(
      image: string,
      command: string[],
      output: NodeJS.WritableStream | NodeJS.WritableStream[],
      options?: Record<string, unknown>,
    ): Promise<[{ StatusCode: number }, Container]>;
    getEvents(options?: Record<string, unknown>): Promise<NodeJS.ReadableStream>;
    modem: {
      demuxStream(stream: Duplex, out: NodeJS.WritableStream, err: NodeJS.WritableStream): void;
      followProgress(
        stream: NodeJS.ReadableStream,
        onFinished: (
          error: Error | null,
          messages: { stream?: string; aux?: { ID: string }; error?: string }[],
        ) => void,
      ): void;
    };
  }

  // biome-ignore lint/style/noDefaultExport: that is how the package exports it
  export default Docker;
}
