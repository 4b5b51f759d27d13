// Routes that ask a registry and change nothing here: log in, look at what is there.
import { Type } from '@sinclair/typebox';
import { type App, checkName, nameParams as params, sendJson } from '../app.ts';
import { credentialsOf, registryAuth } from '../registry-auth.ts';
import type { ApiServices } from '../services.ts';
import type { AuthResponse } from '../types/image.ts';

const field = Type.Optional(Type.Union([Type.String(), Type.Null()]));
const Credentials = Type.Object({
  username: field,
  password: field,
  auth: field,
  email: field,
  serveraddress: field,
  identitytoken: field,
  registrytoken: field,
});

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

  app.get(
    '/distribution/:name/json',
    { schema: { summary: 'What a registry has under a name', tags: ['Distribution'], params } },
    async (request, reply) => {
      const name = checkName('image', request.params.name);
      return sendJson(reply, await registry.distribution(name, registryAuth(request.headers)));
    },
  );
}
