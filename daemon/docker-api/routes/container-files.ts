// Routes that read and write a container's files: cp (archive), diff, export.

import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import { Type } from '@sinclair/typebox';
import type { ContainerPathStat } from '../../docker-types/container-actions.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { type App, checkName, containerParams as params, sendEmpty } from '../app.ts';
import { bodyStream } from '../http/body-stream.ts';
import { ResponseStream } from '../http/response-stream.ts';
import { flag, text } from '../request/query.ts';
import type { ApiServices } from '../services.ts';

const tags = ['Container'];
const pathStatHeader = 'X-Docker-Container-Path-Stat';

export function registerContainerFiles(app: App, { containers }: ApiServices): void {
  const pathQuery = Type.Object({ path: text('Path in the container') });

  app.head(
    '/containers/:id/archive',
    { schema: { summary: `What a path is, in the header ${pathStatHeader}`, tags, params, querystring: pathQuery } },
    async (request, reply) => {
      const stat = await containers.statPath(checkName('container', request.params.id), checkPath(request.query.path));
      return reply.header(pathStatHeader, encodeStat(stat)).send();
    },
  );

  app.get(
    '/containers/:id/archive',
    { schema: { summary: 'A file or directory as a tar', tags, params, querystring: pathQuery } },
    async (request, reply) => {
      const id = checkName('container', request.params.id);
      const { stat, tar } = await containers.getArchive(id, checkPath(request.query.path));
      const stream = new ResponseStream(reply, 'application/x-tar', { [pathStatHeader]: encodeStat(stat) });
      sendAll(tar, stream);
    },
  );

  app.put(
    '/containers/:id/archive',
    {
      config: { body: 'stream' },
      schema: {
        summary: 'Unpack a tar into a directory',
        tags,
        params,
        querystring: Type.Object({
          path: text('An existing directory in the container'),
          noOverwriteDirNonDir: flag('Refuse to replace a directory by something else, and the other way round'),
          copyUIDGID: flag('Keep the owners of the archive'),
        }),
      },
    },
    async (request, reply) => {
      const { path, noOverwriteDirNonDir, copyUIDGID } = request.query;
      const id = checkName('container', request.params.id);
      const options = { noOverwriteDirNonDir, copyUidGid: copyUIDGID };
      await containers.putArchive(id, checkPath(path), bodyStream(request.raw), options);
      return sendEmpty(reply, 200);
    },
  );

  app.get(
    '/containers/:id/changes',
    { schema: { summary: 'What differs from the image', tags, params } },
    async (request, reply) => {
      const json = await containers.changes(checkName('container', request.params.id));
      sendAll(json, new ResponseStream(reply, 'application/json'));
    },
  );

  app.get(
    '/containers/:id/export',
    { schema: { summary: 'All files as a tar', tags, params } },
    async (request, reply) => {
      const tar = await containers.export(checkName('container', request.params.id));
      sendAll(tar, new ResponseStream(reply, 'application/x-tar'));
    },
  );
}

/** An error in the middle cuts the connection, so that half of it is not taken for the whole; a client that leaves ends the source. */
function sendAll(tar: Readable, stream: ResponseStream): void {
  // It left while the request waited for its turn: pipeline would wait for ever, and the source holds the container.
  if (stream.isClosed) {
    tar.destroy();
    return;
  }
  pipeline(tar, stream.raw, (error) => {
    if (error) stream.abort();
  });
}

function checkPath(path: string | undefined): string {
  if (path === undefined || path === '') throw new EngineError('invalid', "bad parameter: 'path' cannot be empty");
  if (path.includes('\0')) throw new EngineError('invalid', "bad parameter: 'path' holds a NUL");
  return path;
}

function encodeStat(stat: ContainerPathStat): string {
  return Buffer.from(JSON.stringify(stat)).toString('base64');
}
