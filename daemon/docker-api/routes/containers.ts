// Routes that make containers and tell about them.
import { setImmediate } from 'node:timers/promises';
import { Type } from '@sinclair/typebox';
import { EngineError } from '../../errors/engine-error.ts';
import { wallClockNs } from '../../state/event-log.ts';
import { requestedVersion } from '../api-version.ts';
import {
  type App,
  checkName,
  given,
  containerParams as params,
  sendJson,
  sendJsonFields,
  sendJsonList,
} from '../app.ts';
import { filters, flag, integer, list, text } from '../request/query.ts';
import { CommitBody, CreateBody, UpdateBody } from '../request/schemas.ts';
import type { ApiServices } from '../services.ts';
import { inspectView } from '../views/inspect-container.ts';
import { summaryView } from '../views/list-containers.ts';

const tags = ['Container'];

export function registerContainers(app: App, { containers, log }: ApiServices): void {
  app.post(
    '/containers/create',
    {
      config: { body: 'json' },
      schema: {
        summary: 'Make a container (201)',
        tags,
        querystring: Type.Object({ name: text('Its name; generated when absent'), platform: text('os/arch/variant') }),
        body: CreateBody,
      },
    },
    async (request, reply) => {
      const { name, platform } = request.query;
      const { body } = request;
      // Checking a large body has taken its time: others first.
      await setImmediate();
      // Older clients send a console size that was never meant.
      if (body.HostConfig && requestedVersion(request.originalUrl) < 1042) delete body.HostConfig.ConsoleSize;
      const created = await containers.create(body, {
        ...given({ name: name === '' ? undefined : name, platform: platform === '' ? undefined : platform }),
      });
      return sendJson(reply, created, 201);
    },
  );

  app.get(
    '/containers/json',
    {
      schema: {
        summary: 'List containers',
        tags,
        querystring: Type.Object({
          all: flag('Also those that do not run'),
          limit: integer('The last n, whatever their state'),
          size: flag('With SizeRw and SizeRootFs'),
          since: text('Only those made after this one'),
          before: text('Only those made before this one'),
          filters: filters('ancestor, before, exited, health, id, label, name, network, since, status, …'),
        }),
      },
    },
    async (request, reply) => {
      const { all, limit, size, since, before } = request.query;
      const merged = new Map(request.query.filters);
      if (since) merged.set('since', [since]);
      if (before) merged.set('before', [before]);
      const nowNs = wallClockNs();
      const found = await containers.list({ all, limit: limit ?? 0, size, filters: merged });
      return sendJsonList(reply, found, (container) => summaryView(log, container, nowNs));
    },
  );

  app.get(
    '/containers/:id/json',
    {
      schema: {
        summary: 'Inspect',
        tags,
        params,
        querystring: Type.Object({ size: flag('With SizeRw and SizeRootFs') }),
      },
    },
    async (request, reply) => {
      const id = checkName('container', request.params.id);
      return sendJsonFields(reply, inspectView(await containers.inspect(id, { size: request.query.size })));
    },
  );

  app.get(
    '/containers/:id/top',
    {
      schema: {
        summary: 'Processes of a container',
        tags,
        params,
        querystring: Type.Object({ ps_args: text('Arguments of ps; -ef when absent') }),
      },
    },
    async (request, reply) => {
      const id = checkName('container', request.params.id);
      return sendJson(reply, await containers.top(id, request.query.ps_args || '-ef'));
    },
  );

  app.post(
    '/containers/:id/update',
    {
      config: { body: 'json' },
      schema: { summary: 'Change limits and restart policy', tags, params, body: UpdateBody },
    },
    async (request, reply) =>
      sendJson(reply, await containers.update(checkName('container', request.params.id), request.body)),
  );

  app.post(
    '/containers/prune',
    {
      schema: {
        summary: 'Remove containers that do not run',
        tags,
        querystring: Type.Object({ filters: filters('until, label, label!') }),
      },
    },
    async (request, reply) => sendJson(reply, await containers.prune(request.query.filters)),
  );

  app.post(
    '/commit',
    {
      config: { body: 'json' },
      schema: {
        summary: 'Make an image of a container (201)',
        tags: ['Image'],
        querystring: Type.Object({
          container: text('ID or name'),
          repo: text('Name of the image'),
          tag: text('Tag; latest when absent'),
          comment: text('Message of the history'),
          author: text('Name <mail>'),
          pause: flag('Pause the container meanwhile', true),
          changes: list('Dockerfile instructions'),
        }),
        body: CommitBody,
      },
    },
    async (request, reply) => {
      const { container, repo, tag, comment, author, pause, changes } = request.query;
      if (!container) throw new EngineError('invalid', 'commit: name the container with ?container=');
      const made = await containers.commit(checkName('container', container), {
        ...given({ repo: repo === '' ? undefined : repo, tag: tag === '' ? undefined : tag }),
        comment: comment ?? '',
        author: author ?? '',
        pause,
        changes: changes.flatMap((lines) => lines.split('\n')).filter((line) => line.trim() !== ''),
        config: request.body ?? null,
      });
      return sendJson(reply, made, 201);
    },
  );
}
