// Routes of networks: the fixed ones can be looked at. Making networks and connecting to them is not there yet.

import { Type } from '@sinclair/typebox';
import { EngineError } from '../../errors/engine-error.ts';
import { type App, checkName, containerParams as params, sendJson } from '../app.ts';
import { filters, flag, text } from '../query.ts';
import type { ApiServices } from '../services.ts';

const tags = ['Network'];

export function registerNetworks(app: App, { networks }: ApiServices): void {
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
      const found = networks.list(request.query.filters);
      return sendJson(
        reply,
        found.map(({ Containers: _, ...network }) => network),
      );
    },
  );

  app.get(
    '/networks/:id',
    {
      schema: {
        summary: 'Inspect',
        tags,
        params,
        querystring: Type.Object({ verbose: flag('Nothing more is there'), scope: text('local') }),
      },
    },
    async (request, reply) => sendJson(reply, networks.inspect(checkName('network', request.params.id))),
  );

  app.delete('/networks/:id', { schema: { summary: 'Remove', tags, params } }, async (request) => {
    const { Name } = networks.inspect(checkName('network', request.params.id));
    throw new EngineError('forbidden', `${Name} is a pre-defined network and cannot be removed`);
  });

  app.post('/networks/prune', { schema: { summary: 'Remove networks that nothing uses', tags } }, async (_, reply) =>
    sendJson(reply, { NetworksDeleted: null }),
  );
}
