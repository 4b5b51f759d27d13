// What a build is given to build from: the body, directories that came before it, and what its client's session has.
import type { FastifyRequest } from 'fastify';
import type { BuildService, ReceivedContext } from '../../build/build-service.ts';
import type { WaitingContexts } from '../../build/contexts/waiting-contexts.ts';
import type { ClientServices, DirectoryResult } from '../../build/steps/step.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { bodyStream } from '../http/body-stream.ts';
import type { BuildParameters, BuildQuery } from './build-parameters.ts';

/** Held until it is disposed. */
export interface BuildInput extends Disposable {
  readonly client: ClientServices;
  /** The body was a Dockerfile, and there is no context. */
  readonly dockerfileText?: string;
}

/** Has the body whole when it resolves. Throws EngineError. */
export async function receiveBuildInput(
  build: BuildService,
  waiting: WaitingContexts,
  request: FastifyRequest,
  query: BuildQuery,
  parameters: BuildParameters,
  signal: AbortSignal,
): Promise<BuildInput> {
  const session = query.session ? build.sessionClient(query.session) : undefined;
  const directories = new Map<string, DirectoryResult>();
  const release = () => {
    for (const directory of directories.values()) directory[Symbol.dispose]();
  };
  try {
    for (const choice of parameters.namedContexts.values()) {
      if (choice.kind === 'client' && session === undefined)
        directories.set(choice.name, takeNamed(waiting, choice.name));
    }
    for (const { directory } of parameters.cacheFrom) {
      if (directory !== undefined && session === undefined && !directories.has(directory))
        directories.set(directory, takeNamed(waiting, directory));
    }
    const received = await receive(build, request, query, signal);
    if (received?.kind === 'directory') directories.set('context', received.directory);
    return {
      client: clientOf(directories, session),
      ...(received?.kind === 'dockerfile' ? { dockerfileText: received.text } : {}),
      [Symbol.dispose]: release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

function takeNamed(waiting: WaitingContexts, name: string): DirectoryResult {
  const directory = waiting.take(name);
  if (directory !== undefined) return directory;
  throw new EngineError(
    'not-found',
    `build context ${name}: there is no such directory here, or not any more: send it first`,
  );
}

/** undefined: nothing comes, since it is fetched from elsewhere. */
async function receive(
  build: BuildService,
  request: FastifyRequest,
  query: BuildQuery,
  signal: AbortSignal,
): Promise<ReceivedContext | undefined> {
  if (query.remote && query.remote !== 'client-session') {
    request.raw.resume();
    return undefined;
  }
  const body = bodyStream(request.raw);
  if (!query.context) return build.receive(body, signal);
  return { kind: 'directory', directory: await build.receiveChanges(query.context, body, signal) };
}

/** What came with the request, and what the session has beside it. */
function clientOf(
  directories: ReadonlyMap<string, DirectoryResult>,
  session: ClientServices | undefined,
): ClientServices {
  return {
    secret: async (id) => session?.secret(id),
    sshAgent: async (id) => session?.sshAgent(id),
    directory: async (name, wanted, signal) =>
      directories.get(name)?.again() ?? (await session?.directory(name, wanted, signal)),
  };
}
