// Routes of networks.
import { Type } from '@sinclair/typebox';
import { NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest } from '../../docker-types/network.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { requestedVersion } from '../api-version.ts';
import { type App, checkName, containerParams as params, sendEmpty, sendJson } from '../app.ts';
import { filters, flag, text } from '../request/query.ts';
import type { ApiServices } from '../services.ts';
import { networkView } from '../views/network-view.ts';

const tags = ['Network'];
/** From this version on a list does not tell who is connected. */
const listWithoutContainersSince = 1028;

export function registerNetworks(app: App, { networks, containers }: ApiServices): void {
  app.get(
    '/networks',
    {
      schema: {
        summary: 'List networks',
        tags,
        querystring: Type.Object({ filters: filters('driver, id, label, name, scope, type, dangling') }),
      },
    },
    async (request, reply) => {
      const withContainers = requestedVersion(request.originalUrl) < listWithoutContainersSince;
      const list = networks.list(request.query.filters);
      const shown = withContainers ? list : list.map(({ record }) => ({ record, endpoints: [] }));
      return sendJson(reply, shown.map(networkView));
    },
  );

  app.get(
    '/networks/:id',
    {
      schema: {
        summary: 'Inspect',
        tags,
        params,
        querystring: Type.Object({ verbose: flag('Nothing more is there'), scope: text('Where it is valid: local') }),
      },
    },
    async (request, reply) => {
      const { scope = '' } = request.query;
      const name = checkName('network', request.params.id);
      if (scope !== '' && scope !== 'local') throw new EngineError('not-found', `network ${name} not found`);
      return sendJson(reply, networkView(networks.inspect(name)));
    },
  );

  app.post(
    '/networks/create',
    { config: { body: 'json' }, schema: { summary: 'Make a network (201)', tags, body: NetworkCreateRequest } },
    async (request, reply) => sendJson(reply, await networks.create(request.body), 201),
  );

  app.delete('/networks/:id', { schema: { summary: 'Remove (204)', tags, params } }, async (request, reply) => {
    await networks.remove(checkName('network', request.params.id));
    return sendEmpty(reply, 204);
  });

  app.post(
    '/networks/:id/connect',
    {
      config: { body: 'json' },
      schema: { summary: 'Connect a container', tags, params, body: NetworkConnectRequest },
    },
    async (request, reply) => {
      await containers.connectNetwork(checkName('network', request.params.id), request.body);
      return sendEmpty(reply, 200);
    },
  );

  app.post(
    '/networks/:id/disconnect',
    {
      config: { body: 'json' },
      schema: { summary: 'Disconnect a container', tags, params, body: NetworkDisconnectRequest },
    },
    async (request, reply) => {
      await containers.disconnectNetwork(checkName('network', request.params.id), request.body);
      return sendEmpty(reply, 200);
    },
  );

  app.post(
    '/networks/prune',
    {
      schema: {
        summary: 'Remove networks that nothing uses',
        tags,
        querystring: Type.Object({ filters: filters('until, label, label!') }),
      },
    },
    async (request, reply) => sendJson(reply, await networks.prune(request.query.filters)),
  );
}
