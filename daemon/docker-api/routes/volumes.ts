// Routes of volumes.
import { Type } from '@sinclair/typebox';
import { VolumeCreateBody, type VolumeListResponse } from '../../docker-types/volume.ts';
import { requestedVersion } from '../api-version.ts';
import { type App, checkName, nameParams as params, sendEmpty, sendJson } from '../app.ts';
import { filters, flag } from '../request/query.ts';
import { volumeRequest } from '../request/volume-request.ts';
import type { ApiServices } from '../services.ts';
import { volumePruneView, volumeView } from '../views/volume-view.ts';

const tags = ['Volume'];
/** From this version on prune spares what has a name of the user's. */
const anonymousOnlySince = 1042;

export function registerVolumes(app: App, { volumes }: ApiServices): void {
  app.get(
    '/volumes',
    {
      schema: {
        summary: 'List volumes',
        tags,
        querystring: Type.Object({ filters: filters('dangling, driver, label, name') }),
      },
    },
    async (request, reply) => {
      const list = volumes.list(request.query.filters);
      const answer: VolumeListResponse = { Volumes: list.map(volumeView), Warnings: null };
      return sendJson(reply, answer);
    },
  );

  app.post(
    '/volumes/create',
    {
      config: { body: 'json' },
      schema: { summary: 'Make a volume (201), or find it', tags, body: VolumeCreateBody },
    },
    async (request, reply) => sendJson(reply, volumeView(volumes.create(volumeRequest(request.body ?? {}))), 201),
  );

  app.get('/volumes/:name', { schema: { summary: 'Inspect', tags, params } }, async (request, reply) =>
    sendJson(reply, volumeView(volumes.inspect(checkName('volume', request.params.name)))),
  );

  app.delete(
    '/volumes/:name',
    {
      schema: {
        summary: 'Remove (204)',
        tags,
        params,
        querystring: Type.Object({ force: flag('One that is not there is fine') }),
      },
    },
    async (request, reply) => {
      volumes.remove(checkName('volume', request.params.name), { force: request.query.force });
      return sendEmpty(reply, 204);
    },
  );

  app.post(
    '/volumes/prune',
    {
      schema: {
        summary: 'Remove volumes that no container has',
        tags,
        querystring: Type.Object({ filters: filters('label, all: also those that the user named') }),
      },
    },
    async (request, reply) => {
      const isOld = requestedVersion(request.originalUrl) < anonymousOnlySince;
      return sendJson(reply, volumePruneView(await volumes.prune(request.query.filters, isOld)));
    },
  );
}
