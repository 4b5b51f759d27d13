// What only this engine has: what a container is, and the system calls that make it, without making it.

import type { ExplainResponse } from '../../docker-types/container-actions.ts';
import { type App, checkName, containerParams as params, sendJson } from '../app.ts';
import { CreateBody } from '../request/schemas.ts';
import type { ApiServices } from '../services.ts';

const tags = ['Explain'];

export function registerExplain(app: App, { containers }: ApiServices): void {
  app.post(
    '/explain',
    {
      config: { body: 'json' },
      schema: {
        summary: 'A dry run of create and start: spec, cgroup, layers and system calls',
        tags,
        body: CreateBody,
      },
    },
    async (request, reply) => {
      const answer: ExplainResponse = {
        Text: await containers.explain(request.body),
      };
      return sendJson(reply, answer);
    },
  );

  app.get(
    '/containers/:id/explain',
    { schema: { summary: 'The same of a container that exists', tags, params } },
    async (request, reply) => {
      const answer: ExplainResponse = {
        Text: await containers.explainContainer(checkName('container', request.params.id)),
      };
      return sendJson(reply, answer);
    },
  );
}
