// POST /build: a context in, an image and docker's classic stream out. What is built from has come whole before the first line is written:
// many clients do not read while they send.
import type { Readable } from 'node:stream';
import { Type } from '@sinclair/typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { BuildRequest, CacheDestination, OutputChoice } from '../../build/build-request.ts';
import { WaitingContexts } from '../../build/contexts/waiting-contexts.ts';
import { ExecFailed } from '../../build/steps/exec-failed.ts';
import { type BuildPruned, buildCacheId, buildKeptId, buildOutputId, buildResultId } from '../../docker-types/build.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { type App, sendEmpty, sendJson } from '../app.ts';
import { clientHasLeft, errorText } from '../error-status.ts';
import { BuildStream } from '../http/build-stream.ts';
import { whenClientLeaves } from '../http/client-leaves.ts';
import { receiveBuildInput } from '../request/build-body.ts';
import { type BuildParameters, type BuildQuery, buildParameters, buildQuery } from '../request/build-parameters.ts';
import { filters, flag, integer, text } from '../request/query.ts';
import type { ApiServices } from '../services.ts';
import { BuildEvents } from '../views/build-events.ts';
import { BuildSteps } from '../views/build-steps.ts';
import { resultLine } from '../views/build-view.ts';
import { registerBuildContexts } from './build-contexts.ts';

const tags = ['Build'];
/** Of an output's archive in one line. */
const CHUNK_BYTES = 48 * 1024;

interface BuildRouteParts {
  readonly services: ApiServices;
  readonly waiting: WaitingContexts;
  /** Builds that go on, by what their client calls them. */
  readonly running: Map<string, Set<AbortController>>;
}

export function registerBuild(app: App, services: ApiServices): void {
  const waiting = new WaitingContexts();
  app.addHook('onClose', async () => waiting[Symbol.dispose]());
  registerBuildContexts(app, services, waiting);
  const running: BuildRouteParts['running'] = new Map();

  app.post(
    '/build',
    { config: { body: 'stream' }, schema: { summary: 'Build an image', tags, querystring: buildQuery } },
    (request, reply) => serveBuild({ services, waiting, running }, request, reply, request.query),
  );

  app.post(
    '/build/cancel',
    { schema: { summary: 'End a build', tags, querystring: Type.Object({ id: text('Its buildid') }) } },
    async (request, reply) => {
      for (const build of running.get(request.query.id ?? '') ?? [])
        build.abort(new EngineError('conflict', 'the build was cancelled'));
      return sendEmpty(reply, 204);
    },
  );

  app.post(
    '/build/prune',
    {
      schema: {
        summary: 'Remove what builds keep and no build uses',
        tags,
        querystring: Type.Object({
          all: flag('Also what images share'),
          filters: filters('id, parent, type, description, inuse, shared, private, until, unused-for'),
          'keep-storage': integer('Bytes that may stay (before 1.48)'),
          'reserved-space': integer('Bytes that may stay'),
          'max-used-space': integer('Bytes that are aimed at'),
          'min-free-space': integer('Bytes of the disk that shall be free'),
        }),
      },
    },
    async (request, reply) => {
      const { all, filters: given, 'max-used-space': most, 'min-free-space': free } = request.query;
      const reserved = request.query['reserved-space'] ?? request.query['keep-storage'];
      const pruned = await services.build.cache.prune({
        all,
        filters: given,
        ...(reserved === undefined ? {} : { reservedBytes: reserved }),
        ...(most === undefined ? {} : { maxUsedBytes: most }),
        ...(free === undefined ? {} : { minFreeBytes: free }),
      });
      const answer: BuildPruned = {
        CachesDeleted: pruned.ids.length === 0 ? null : [...pruned.ids],
        SpaceReclaimed: pruned.bytes,
      };
      return sendJson(reply, answer);
    },
  );
}

async function serveBuild(
  { services, waiting, running }: BuildRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  query: BuildQuery,
): Promise<void> {
  const parameters = buildParameters(query, request.headers);
  const cancel = new AbortController();
  whenClientLeaves(reply.raw, () => {
    if (!reply.raw.writableEnded) cancel.abort(clientHasLeft());
  });
  const { signal } = cancel;
  const { buildid: id } = query;
  const sameId = running.get(id ?? '') ?? new Set();
  if (id) running.set(id, sameId.add(cancel));
  try {
    using input = await receiveBuildInput(services.build, waiting, request, query, parameters, signal);
    const { client, dockerfileText } = input;
    const alone = dockerfileText === undefined ? {} : { context: { kind: 'none' } as const, dockerfileText };
    await answer(services, reply, query, { ...parameters, ...alone, client, signal });
  } finally {
    if (sameId.delete(cancel) && sameId.size === 0) running.delete(id ?? '');
  }
}

async function answer(
  services: ApiServices,
  reply: FastifyReply,
  query: BuildQuery,
  request: Omit<BuildRequest, 'tell' | 'outputs' | 'cacheTo'> & Pick<BuildParameters, 'outputs' | 'cacheTo'>,
): Promise<void> {
  const stream = new BuildStream(reply);
  const write = (line: object): void => stream.write(line);
  const steps = new BuildSteps({
    get hasRoom() {
      return stream.hasRoom;
    },
    write: (text) => {
      if (!query.q) write({ stream: text });
    },
  });
  const events = new BuildEvents(stream);
  const isClassic = !query.events;
  stream.onRoom(() => (isClassic ? steps.resume() : events.tellLeftOut()));
  const sinkOf = (id: string, index: number) => (archive: Readable) => sendOutput(stream.begin(), id, index, archive);
  const cacheTo = request.cacheTo.map((cache, index): CacheDestination => {
    if (cache.type !== 'local') return cache;
    if (isClassic)
      throw new EngineError('not-implemented', 'cacheto: local needs a client that takes it: tsdocker build');
    return { ...cache, sink: sinkOf(buildCacheId, index) };
  });
  const outputs = request.outputs.map((output, index): OutputChoice => {
    if (output.type === 'image') return output;
    if (isClassic)
      throw new EngineError('not-implemented', `outputs: ${output.type} needs a client that takes it: tsdocker build`);
    return { ...output, sink: sinkOf(buildOutputId, index) };
  });
  try {
    const outcome = await services.build.build(
      {
        ...request,
        outputs,
        cacheTo,
        tell: (event) => {
          if (isClassic) steps.take(event);
          else events.take(event);
        },
      },
      (planned) => {
        if (isClassic) steps.plan(planned);
      },
    );
    if (isClassic) steps.end();
    else events.tellLeftOut();
    if (outcome.unusedArgs.length > 0 && !query.q && isClassic)
      write({ stream: `[Warning] One or more build-args [${outcome.unusedArgs.join(' ')}] were not consumed\n` });
    if (outcome.imageId !== undefined) {
      if (!isClassic || !query.q) write({ aux: { ID: outcome.imageId } });
      if (query.q) write({ stream: `${outcome.imageId}\n` });
      else if (isClassic)
        write({ stream: `Successfully built ${outcome.imageId.slice('sha256:'.length).slice(0, 12)}\n` });
      if (isClassic && !query.q)
        for (const tag of request.tags) write({ stream: `Successfully tagged ${taggedName(tag)}\n` });
    }
    if (!isClassic) write({ id: buildResultId, aux: resultLine(outcome) });
    else if (outcome.answer !== undefined) write({ stream: outcome.answer.text });
  } catch (error) {
    // What is wrong before anything was done is an answer of its own, as with docker.
    if (!stream.isBegun) throw error;
    if (isClassic) steps.fail();
    else events.tellLeftOut();
    if (error instanceof ExecFailed && error.keptImageId !== undefined)
      write({ id: buildKeptId, aux: { imageId: error.keptImageId } });
    write(failureLine(error, isClassic));
  }
  stream.end();
}

/** In the classic builder's words, which programs look for. */
function failureLine(error: unknown, isClassic: boolean): object {
  if (error instanceof ExecFailed) {
    const { command, exitCode, keptImageId } = error;
    const message = isClassic ? `The command '${command}' returned a non-zero code: ${exitCode}` : errorText(error);
    const kept = keptImageId === undefined ? {} : { keptImage: keptImageId };
    return { errorDetail: { code: exitCode, message, ...kept }, error: message };
  }
  const message = errorText(error);
  return { errorDetail: { message }, error: message };
}

function taggedName(name: string): string {
  const last = name.slice(name.lastIndexOf('/') + 1);
  return last.includes(':') || last.includes('@') ? name : `${name}:latest`;
}

async function sendOutput(
  stream: ReturnType<BuildStream['begin']>,
  id: string,
  output: number,
  archive: Readable,
): Promise<void> {
  const line = (data: string) => `${JSON.stringify({ id, aux: { output, data } })}\r\n`;
  for await (const chunk of archive) {
    const bytes = chunk as Buffer;
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      if (stream.isClosed) throw clientHasLeft();
      await stream.write(line(bytes.subarray(at, at + CHUNK_BYTES).toString('base64')));
    }
  }
  await stream.write(line(''));
}
