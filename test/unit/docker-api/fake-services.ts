// Services for tests of the API: every method records its call and answers what the test sets, so that only the wire is under test.
import { PassThrough, Readable } from 'node:stream';
import type { Attachment, OutputChunk, Waiter } from '../../../daemon/containers/container-service.ts';
import type { ApiServices } from '../../../daemon/docker-api/services.ts';
import { EngineError } from '../../../daemon/errors/engine-error.ts';
import { EventLog } from '../../../daemon/state/event-log.ts';
import { seenSystem } from './seen-system.ts';

export interface Call {
  method: string;
  args: unknown[];
}

export interface FakeServices {
  services: ApiServices;
  calls: Call[];
  /** Replaces what a container method does. */
  on: (method: string, answer: (...args: never[]) => unknown) => void;
  /** The same for images. */
  onImages: (method: string, answer: (...args: never[]) => unknown) => void;
  events: EventLog;
  logged: unknown[];
}

export function fakeServices(): FakeServices {
  const calls: Call[] = [];
  const answers = new Map<string, (...args: never[]) => unknown>();
  const logged: unknown[] = [];
  const events = new EventLog();
  const recorder = (prefix: string) =>
    new Proxy(
      {},
      {
        get: (_, name) => {
          const method = `${prefix}${String(name)}`;
          return (...args: unknown[]) => {
            calls.push({ method, args });
            const answer = answers.get(method);
            if (answer === undefined) throw new EngineError('not-found', `no answer set for ${method}`);
            return answer(...(args as never[]));
          };
        },
      },
    );
  const log = (_fields: object, _message: string) => undefined;
  const services = {
    containers: recorder(''),
    images: recorder('images.'),
    registry: recorder('registry.'),
    networks: recorder('networks.'),
    volumes: recorder('volumes.'),
    build: withCache(recorder('build.'), recorder('build.cache.')),
    system: {
      events,
      info: async () => seenSystem,
      host: () => ({ kernelVersion: '6.1', architecture: 'x86_64', version: '0.1.0', gitCommit: 'c', buildTime: 't' }),
      containerUsage: async () => [],
    },
    log: { debug: log, info: log, warn: log, error: (fields: object) => void logged.push(fields) },
  } as unknown as ApiServices;
  return {
    services,
    calls,
    on: (method, answer) => void answers.set(method, answer),
    onImages: (method, answer) => void answers.set(`images.${method}`, answer),
    events,
    logged,
  };
}

function withCache(build: object, cache: object): object {
  return new Proxy(build, { get: (target, name) => (name === 'cache' ? cache : Reflect.get(target, name)) });
}

/** A process that a test speaks for. */
export interface FakeProcess {
  attachment: Attachment;
  say: (stream: 1 | 2, text: string | Buffer) => void;
  exit: () => void;
  /** Everything that came in by stdin, and whether it ended. */
  input: () => string;
  inputEnded: () => boolean;
  isClosed: () => boolean;
}

export function fakeProcess(options: { tty?: boolean; stdin?: boolean } = {}): FakeProcess {
  const queue = new PassThrough({ objectMode: true });
  let input = '';
  let hasEnded = false;
  let isClosed = false;
  const attachment: Attachment = {
    tty: options.tty ?? false,
    output: queue as AsyncIterable<OutputChunk>,
    ...(options.stdin === false
      ? {}
      : {
          stdin: {
            write: async (bytes: Uint8Array) => {
              input += Buffer.from(bytes).toString('latin1');
            },
            end: async () => {
              hasEnded = true;
            },
          },
        }),
    close: () => {
      isClosed = true;
      if (!queue.writableEnded) queue.end();
    },
  };
  return {
    attachment,
    say: (stream, text) => void queue.write({ stream, data: Buffer.from(text) }),
    exit: () => void queue.end(),
    input: () => input,
    inputEnded: () => hasEnded,
    isClosed: () => isClosed,
  };
}

export function fakeWaiter(): Waiter & { finish: (code: number) => void; isCancelled: () => boolean } {
  let isCancelled = false;
  let finish: (code: number) => void = () => undefined;
  const result = new Promise<{ StatusCode: number }>((resolve) => {
    finish = (StatusCode) => resolve({ StatusCode });
  });
  return {
    result,
    cancel: () => {
      isCancelled = true;
    },
    finish,
    isCancelled: () => isCancelled,
  };
}

export function tarOf(text: string): Readable {
  return Readable.from([Buffer.from(text)]);
}
