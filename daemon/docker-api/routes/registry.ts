// Routes that ask a registry and change nothing here: log in, look at what is there.
import { Type } from '@sinclair/typebox';
import type { AuthResponse } from '../../docker-types/image.ts';
import { type App, checkName, given, nameParams as params, sendJson } from '../app.ts';
import { ProgressStream } from '../http/progress-stream.ts';
import { bodyNeeded } from '../request/body-schema.ts';
import { filters, integer, text } from '../request/query.ts';
import { readPlatform } from '../request/read-platform.ts';
import { credentialsOf, registryAuth } from '../request/registry-auth.ts';
import type { ApiServices } from '../services.ts';
import { distributionView } from '../views/image-view.ts';

const field = Type.Optional(Type.Union([Type.String(), Type.Null()]));
const Credentials = Type.Object(
  {
    username: field,
    password: field,
    auth: field,
    email: field,
    serveraddress: field,
    identitytoken: field,
    registrytoken: field,
  },
  { [bodyNeeded]: true },
);

export function registerRegistry(app: App, { registry }: ApiServices): void {
  app.post(
    '/auth',
    {
      config: { body: 'json' },
      schema: {
        summary: 'Check credentials with a registry',
        tags: ['System'],
        body: Credentials,
      },
    },
    async (request, reply) => {
      const identityToken = await registry.login(request.body.serveraddress ?? '', credentialsOf(request.body));
      return sendJson(reply, { IdentityToken: identityToken, Status: 'Login Succeeded' } satisfies AuthResponse);
    },
  );

  app.post(
    '/images/:name/push',
    {
      // Clients send their credentials here as well, as they did before there was the header.
      config: { body: 'stream' },
      schema: {
        summary: 'Push a tag, or all tags of a repository',
        tags: ['Image'],
        params,
        querystring: Type.Object({
          tag: text('All tags of the repository when it is absent'),
          platform: text('JSON object of an OCI platform'),
        }),
      },
    },
    async (request, reply) => {
      const name = checkName('image', request.params.name);
      const platform = readPlatform(request.query.platform);
      request.raw.resume();
      await new ProgressStream(reply).run((tell, signal) =>
        registry.push(name, {
          ...given({ platform }),
          tag: request.query.tag ?? '',
          credentials: registryAuth(request.headers),
          tell,
          signal,
        }),
      );
    },
  );

  app.get(
    '/images/search',
    {
      schema: {
        summary: 'Search Docker Hub, or a registry that has a search',
        tags: ['Image'],
        querystring: Type.Object({
          term: text('What to look for'),
          limit: integer('At most so many, up to 100'),
          filters: filters('is-automated, is-official, stars'),
        }),
      },
    },
    async (request, reply) => {
      const { term = '', limit = 0, filters } = request.query;
      return sendJson(
        reply,
        await registry.search({ term, limit, filters, credentials: registryAuth(request.headers) }),
      );
    },
  );

  app.get(
    '/distribution/:name/json',
    { schema: { summary: 'What a registry has under a name', tags: ['Distribution'], params } },
    async (request, reply) => {
      const name = checkName('image', request.params.name);
      return sendJson(reply, distributionView(await registry.distribution(name, registryAuth(request.headers))));
    },
  );
}
