// The OpenAPI description of exactly the routes that are registered, made of the schemas they are checked with: GET /openapi.json.
import type { RouteOptions } from 'fastify';
import { apiVersion } from './api-version.ts';
import { type App, sendJson } from './app.ts';

interface ObjectSchema {
  properties?: Record<string, Record<string, unknown>>;
  required?: string[];
}

export class OpenApiDocument {
  readonly #routes: RouteOptions[] = [];

  /** Before the routes are registered: it learns of them. */
  constructor(app: App) {
    app.addHook('onRoute', (route) => void this.#routes.push(route));
  }

  register(app: App): void {
    app.get('/openapi.json', { schema: { summary: 'This description', tags: ['System'] } }, (_, reply) =>
      sendJson(reply, this.toJSON()),
    );
  }

  toJSON(): Record<string, unknown> {
    const paths: Record<string, Record<string, unknown>> = {};
    for (const route of this.#routes) {
      const path = documentedPath(route.url);
      const methods = Array.isArray(route.method) ? route.method : [route.method];
      paths[path] ??= {};
      for (const method of methods) paths[path][method.toLowerCase()] = operation(route);
    }
    return {
      openapi: '3.1.0',
      info: {
        title: 'tsdocker: the Docker Engine API as far as this engine has it',
        version: apiVersion,
        description: `Paths are also there below /v1.24 to /v${apiVersion}. Errors are {"message": "…"}.`,
      },
      servers: [{ url: `/v${apiVersion}` }, { url: '/' }],
      paths,
    };
  }
}

function operation(route: RouteOptions): Record<string, unknown> {
  const { schema, config } = route;
  const parameters = [
    ...pathParameters(documentedPath(route.url), schema?.params as ObjectSchema | undefined),
    ...queryParameters(schema?.querystring as ObjectSchema | undefined),
  ];
  const content =
    schema?.body !== undefined
      ? { 'application/json': { schema: schema.body } }
      : config?.body === 'stream'
        ? { 'application/x-tar': { schema: { type: 'string', format: 'binary' } } }
        : undefined;
  return {
    summary: schema?.summary ?? '',
    tags: schema?.tags ?? [],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(content === undefined ? {} : { requestBody: { content } }),
    responses: {
      default: { description: 'See the summary for the status of success; errors carry a message.' },
    },
  };
}

function documentedPath(url: string): string {
  return url.replace(/:(\w+)/g, '{$1}').replace(/\*$/, '{rest}');
}

/** Every name in the path has to be described, whether the route looks at it or not. */
function pathParameters(path: string, schema: ObjectSchema | undefined): Record<string, unknown>[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => {
    const { description, ...rest } = schema?.properties?.[name] ?? { type: 'string' };
    return { name, in: 'path', required: true, ...(description ? { description } : {}), schema: rest };
  });
}

function queryParameters(schema: ObjectSchema | undefined): Record<string, unknown>[] {
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => {
    const { description, 'x-query-kind': _, ...rest } = property;
    return { name, in: 'query', required: false, ...(description ? { description } : {}), schema: rest };
  });
}
