// Routes of processes that are started in a running container.
import { Type } from '@sinclair/typebox';
import type { ExecStartConfig } from '../../docker-types/exec.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { type App, checkName, containerParams, execParams, given, sendEmpty, sendJson } from '../app.ts';
import { compileBody } from '../request/body-schema.ts';
import { integer } from '../request/query.ts';
import { ExecBody, ExecStartBody } from '../request/schemas.ts';
import type { ApiServices } from '../services.ts';
import { detachKeysOf } from '../sessions/detach-keys.ts';
import { type HijackTarget, notHandedOver } from '../sessions/hijack.ts';
import { type Opened, stdioUpgrades } from '../sessions/stdio-upgrade.ts';
import { terminalSize } from './container-lifecycle.ts';

const tags = ['Exec'];

/** Registers the routes; returns how a start is opened, for it takes the connection over. */
export function registerExec(app: App, { containers }: ApiServices): HijackTarget {
  const openExec = async (id: string, body: ExecStartConfig, version: number): Promise<Opened> => {
    const { Detach: detach = false, Tty: tty, ConsoleSize: size } = body;
    const consoleSize = size && tty && version >= 1042 ? size : undefined;
    const exec = checkExecId(id);
    const { DetachKeys } = (await containers.inspectExec(exec)) as { DetachKeys?: string };
    return {
      detachKeys: detachKeysOf(DetachKeys),
      // As the start says it, whatever the exec was made with: that is what its client goes by.
      isFramed: !tty,
      attachment: await containers.startExec(exec, { detach, ...given({ tty, consoleSize }) }),
    };
  };

  app.post(
    '/containers/:id/exec',
    {
      config: { body: 'json' },
      schema: {
        summary: 'Prepare a process in a running container (201)',
        tags,
        params: containerParams,
        body: ExecBody,
      },
    },
    async (request, reply) => {
      const { body } = request;
      if ((body.Cmd?.length ?? 0) === 0) throw new EngineError('invalid', 'No exec command specified');
      detachKeysOf(body.DetachKeys);
      return sendJson(reply, await containers.createExec(checkName('container', request.params.id), body), 201);
    },
  );

  app.post(
    '/exec/:id/start',
    {
      config: { body: 'json' },
      schema: {
        summary: 'Start it and connect to it (101, or 200 without an Upgrade or detached)',
        tags,
        params: execParams,
        body: Type.Optional(ExecStartBody),
      },
    },
    notHandedOver,
  );

  app.post(
    '/exec/:id/resize',
    {
      schema: {
        summary: 'Size of its terminal',
        tags,
        params: execParams,
        querystring: Type.Object({ h: integer('Rows'), w: integer('Columns') }),
      },
    },
    async (request, reply) => {
      await containers.resizeExec(checkExecId(request.params.id), terminalSize(request.query));
      return sendEmpty(reply, 200);
    },
  );

  app.get('/exec/:id/json', { schema: { summary: 'Inspect', tags, params: execParams } }, async (request, reply) =>
    sendJson(reply, await containers.inspectExec(checkExecId(request.params.id))),
  );

  const decodeBody = compileBody(ExecStartBody);
  return {
    method: 'POST',
    hasBody: true,
    path: /^\/exec\/(?<id>[^/]+)\/start\/?$/,
    upgrades: stdioUpgrades(({ id, body, version }) => openExec(id, decodeBody(body ?? {}), version)),
  };
}

/** Ids of execs are hex digits: nothing else is looked up. */
function checkExecId(id: string): string {
  if (!/^[0-9a-f]{1,64}$/.test(id)) throw new EngineError('not-found', `No such exec instance: ${id}`);
  return id;
}
