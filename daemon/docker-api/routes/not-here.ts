// Routes of the Engine API that this engine answers without doing them: what is not there yet (501, saying what), what a single host never
// has (swarm: 503, plugins: 404), and the empty answers that make `docker system prune` and listings work.
import type { HTTPMethods } from 'fastify';
import { EngineError } from '../../errors/engine-error.ts';
import { type App, sendJson } from '../app.ts';

const notHereYet: readonly [method: HTTPMethods, path: string, what: string][] = [
  ['POST', '/grpc', 'build with BuildKit'],
  ['GET', '/containers/:id/checkpoints', 'list checkpoints'],
  ['POST', '/containers/:id/checkpoints', 'make a checkpoint'],
  ['DELETE', '/containers/:id/checkpoints/:checkpoint', 'remove a checkpoint'],
];

const swarmMessage =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const swarmRoots = ['swarm', 'nodes', 'services', 'tasks', 'secrets', 'configs'];
const anyMethod: HTTPMethods[] = ['GET', 'POST', 'PUT', 'DELETE'];

export function registerNotHere(app: App): void {
  for (const [method, url, what] of notHereYet) {
    app.route({
      method,
      url,
      // The body of a build or a load can be anything.
      config: { body: 'stream' },
      schema: { summary: `Not there yet: ${what}`, tags: ['Not there yet'] },
      handler: async () => {
        throw new EngineError('not-implemented', `${what}: this engine does not do that yet`);
      },
    });
  }

  for (const root of swarmRoots) {
    for (const url of [`/${root}`, `/${root}/*`]) {
      app.route({
        method: anyMethod,
        url,
        config: { body: 'stream' },
        schema: { summary: 'Swarm: always 503', tags: ['Never there'] },
        handler: async () => {
          throw new EngineError('unavailable', swarmMessage);
        },
      });
    }
  }

  const empty: readonly [method: HTTPMethods, path: string, what: string, answer: object][] = [
    ['GET', '/plugins', 'No plugins', []],
  ];
  for (const [method, url, summary, answer] of empty) {
    app.route({
      method,
      url,
      schema: { summary, tags: ['Empty'] },
      handler: async (_, reply) => sendJson(reply, answer),
    });
  }

  app.route({
    method: 'PUT',
    url: '/volumes/:name',
    config: { body: 'stream' },
    schema: { summary: 'Cluster volumes: always 503', tags: ['Never there'] },
    handler: async () => {
      throw new EngineError('unavailable', swarmMessage);
    },
  });
  app.route({
    method: anyMethod,
    url: '/plugins/*',
    config: { body: 'stream' },
    schema: { summary: 'Plugins: always 404', tags: ['Never there'] },
    handler: async (request) => {
      const [name = ''] = (request.params as { '*': string })['*'].split('/');
      throw new EngineError('not-found', `plugin "${name}" not found`);
    },
  });
}
