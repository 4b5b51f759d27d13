// Routes that change a container's state: most answer 204 without a body, 304 when it is in that state already.
import { Type } from '@sinclair/typebox';
import type { WaitCondition } from '../../containers/container-service.ts';
import type { ContainerWaitResponse } from '../../docker-types/container-actions.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { requestedVersion } from '../api-version.ts';
import { type App, checkName, given, containerParams as params, sendEmpty } from '../app.ts';
import { ResponseStream } from '../http/response-stream.ts';
import { flag, integer, text } from '../request/query.ts';
import type { ApiServices } from '../services.ts';

const tags = ['Container'];
/** Older clients sent a host config when starting; some newer ones an empty object. */
const ignoredStartBodyBytes = 7;
const conditions: ReadonlySet<string> = new Set<WaitCondition>(['not-running', 'next-exit', 'removed', 'healthy']);

export function registerContainerLifecycle(app: App, { containers }: ApiServices): void {
  const stopQuery = Type.Object({
    t: integer("Seconds until it is killed; -1 waits for ever; the container's own when absent"),
    signal: text("Instead of the container's stop signal"),
  });
  const stopOptions = (query: { t?: number; signal?: string }) =>
    given({ timeoutSeconds: query.t, signal: query.signal || undefined });

  app.post(
    '/containers/:id/start',
    {
      schema: {
        summary: 'Start',
        tags,
        params,
        querystring: Type.Object({ checkpoint: text('Not there yet'), detachKeys: text('Unused') }),
      },
    },
    async (request, reply) => {
      const { headers } = request;
      if (
        Number(headers['content-length'] ?? 0) > ignoredStartBodyBytes ||
        headers['transfer-encoding'] !== undefined
      ) {
        throw new EngineError(
          'invalid',
          'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
        );
      }
      if (request.query.checkpoint) throw new EngineError('not-implemented', 'checkpoints are not supported');
      await containers.start(checkName('container', request.params.id));
      return sendEmpty(reply, 204);
    },
  );

  app.post(
    '/containers/:id/stop',
    { schema: { summary: 'Stop: signal, then kill after a time', tags, params, querystring: stopQuery } },
    async (request, reply) => {
      await containers.stop(checkName('container', request.params.id), stopOptions(request.query));
      return sendEmpty(reply, 204);
    },
  );

  app.post(
    '/containers/:id/restart',
    { schema: { summary: 'Stop if it runs, then start', tags, params, querystring: stopQuery } },
    async (request, reply) => {
      await containers.restart(checkName('container', request.params.id), stopOptions(request.query));
      return sendEmpty(reply, 204);
    },
  );

  app.post(
    '/containers/:id/kill',
    {
      schema: {
        summary: 'Send a signal',
        tags,
        params,
        querystring: Type.Object({ signal: text('Name or number; KILL when absent') }),
      },
    },
    async (request, reply) => {
      const { signal } = request.query;
      await containers.kill(checkName('container', request.params.id), given({ signal: signal || undefined }));
      return sendEmpty(reply, 204);
    },
  );

  app.post('/containers/:id/pause', { schema: { summary: 'Freeze', tags, params } }, async (request, reply) => {
    await containers.pause(checkName('container', request.params.id));
    return sendEmpty(reply, 204);
  });

  app.post('/containers/:id/unpause', { schema: { summary: 'Thaw', tags, params } }, async (request, reply) => {
    await containers.unpause(checkName('container', request.params.id));
    return sendEmpty(reply, 204);
  });

  app.post(
    '/containers/:id/rename',
    { schema: { summary: 'Rename', tags, params, querystring: Type.Object({ name: text('The new name') }) } },
    async (request, reply) => {
      await containers.rename(checkName('container', request.params.id), request.query.name ?? '');
      return sendEmpty(reply, 204);
    },
  );

  app.post(
    '/containers/:id/resize',
    {
      schema: {
        summary: 'Size of the terminal',
        tags,
        params,
        querystring: Type.Object({ h: integer('Rows'), w: integer('Columns') }),
      },
    },
    async (request, reply) => {
      await containers.resize(checkName('container', request.params.id), terminalSize(request.query));
      return sendEmpty(reply, 200);
    },
  );

  app.delete(
    '/containers/:id',
    {
      schema: {
        summary: 'Remove',
        tags,
        params,
        querystring: Type.Object({
          force: flag('Kill it first if it runs'),
          v: flag('Also its anonymous volumes'),
          link: flag('Only the link of this name'),
        }),
      },
    },
    async (request, reply) => {
      const { force, v, link } = request.query;
      await containers.remove(checkName('container', request.params.id), { force, volumes: v, link });
      return sendEmpty(reply, 204);
    },
  );

  // Docker's clients write the name of a link with its slash.
  app.delete(
    '/containers/:id/:alias',
    {
      schema: {
        summary: 'Remove a link (204)',
        tags,
        params: Type.Object({ id: Type.String(), alias: Type.String() }),
        querystring: Type.Object({ link: flag('Only the link') }),
      },
    },
    async (request, reply) => {
      const { id, alias } = request.params;
      const name = `${checkName('container', id)}/${checkName('link', alias)}`;
      if (!request.query.link) throw new EngineError('not-found', `No such container: ${name}`);
      await containers.remove(name, { force: false, volumes: false, link: true });
      return sendEmpty(reply, 204);
    },
  );

  app.post(
    '/containers/:id/wait',
    {
      schema: {
        summary: 'Wait for the end; the headers are sent when the wait has begun',
        tags,
        params,
        querystring: Type.Object({ condition: text('not-running, next-exit, removed, or healthy (of our own)') }),
      },
    },
    async (request, reply) => {
      // Conditions came with 1.30.
      const asked = requestedVersion(request.originalUrl) < 1030 ? '' : (request.query.condition ?? '');
      const condition = asked === '' ? 'not-running' : asked;
      if (!isCondition(condition)) throw new EngineError('invalid', `invalid condition: "${condition}"`);
      const waiter = await containers.wait(checkName('container', request.params.id), condition);
      const stream = new ResponseStream(reply, 'application/json');
      stream.onLeave(() => {
        waiter.cancel();
        stream.end();
      });
      let answer: ContainerWaitResponse;
      try {
        answer = await waiter.result;
      } catch (error) {
        answer = { StatusCode: -1, Error: { Message: (error as Error).message } };
      }
      stream.end(`${JSON.stringify(answer)}\n`);
    },
  );
}

function isCondition(text: string): text is WaitCondition {
  return conditions.has(text);
}

/** Both are needed. Throws 'invalid'. */
export function terminalSize(query: { h?: number; w?: number }): { height: number; width: number } {
  const { h, w } = query;
  for (const [name, value] of [
    ['h', h],
    ['w', w],
  ] as const) {
    if (value === undefined || value < 0 || value > 65535) {
      throw new EngineError('invalid', `invalid value "${value ?? ''}" for "${name}": 0 to 65535 expected`);
    }
  }
  return { height: h as number, width: w as number };
}
