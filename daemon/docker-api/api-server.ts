// The Engine API on its sockets: one router, fed by any number of listeners. `build` makes it, `listen` opens the sockets (last thing of the
// engine's start: nobody sees half of it), `close` closes them and cuts sessions; containers go on.
import { createServer, type Server } from 'node:http';
import type { TObject, TSchema } from '@sinclair/typebox';
import { type FastifyReply, type FastifySchemaCompiler, type FastifyServerOptions, fastify } from 'fastify';
import { EngineError } from '../errors/engine-error.ts';
import { checkVersion, commonHeaders } from './api-version.ts';
import { type App, sendJson } from './app.ts';
import { errorAnswer } from './error-status.ts';
import { drained } from './http/body-stream.ts';
import { createHttpServer, type HeaderTimeout, type ServerHandlers } from './http/http-server.ts';
import { type ListenOptions, openListener } from './http/listeners.ts';
import { contentTypeOf, readJsonBody } from './http/read-body.ts';
import { rewriteUrl } from './http/rewrite-url.ts';
import { OpenApiDocument } from './openapi.ts';
import { compileBody } from './request/body-schema.ts';
import { compileQuery } from './request/query.ts';
import { logged } from './request-log.ts';
import { registerBuild } from './routes/build.ts';
import { registerBuildSession } from './routes/build-session.ts';
import { registerContainerFiles } from './routes/container-files.ts';
import { registerContainerLifecycle } from './routes/container-lifecycle.ts';
import { registerContainerStreams } from './routes/container-streams.ts';
import { registerContainers } from './routes/containers.ts';
import { registerExec } from './routes/exec.ts';
import { registerExplain } from './routes/explain.ts';
import { registerImageArchives } from './routes/image-archives.ts';
import { registerImages } from './routes/images.ts';
import { registerNetworks } from './routes/networks.ts';
import { registerNotHere } from './routes/not-here.ts';
import { registerRegistry } from './routes/registry.ts';
import { registerSystem } from './routes/system.ts';
import { registerVolumes } from './routes/volumes.ts';
import type { ApiServices } from './services.ts';
import { type HijackTarget, type Sessions, serveHijack, wantsHijack } from './sessions/hijack.ts';

/** The parser of all of them asks the request itself: see contentTypeOf. */
const anyMediaType = 'application/octet-stream';

export class ApiServer {
  readonly #handlers: ServerHandlers;
  readonly #listeners: Server[] = [];
  readonly #sessions: Sessions;
  readonly #services: ApiServices;

  private constructor(handlers: ServerHandlers, sessions: Sessions, services: ApiServices) {
    this.#handlers = handlers;
    this.#sessions = sessions;
    this.#services = services;
  }

  static async build(services: ApiServices): Promise<ApiServer> {
    const sessions: Sessions = { open: new Set(), unreadByPeer: services.unreadByPeer };
    const app = createApp(services);
    const targets = registerRoutes(app, services);
    await app.ready();
    const handlers: ServerHandlers = {
      request: app.routing as ServerHandlers['request'],
      wantsUpgrade: (request) => wantsHijack(request, targets),
      upgrade: (request, socket, head) => {
        void serveHijack(request, socket, head, { targets, sessions, log: services.log });
      },
    };
    return new ApiServer(logged(handlers, services.log), sessions, services);
  }

  /** Opens all of the addresses or none: unix://PATH, tcp://HOST:PORT. Throws EngineError saying which and why. */
  async listen(hosts: readonly string[], options: ListenOptions): Promise<void> {
    try {
      for (const host of hosts) this.#listeners.push(await openListener(host, options, this.#handlers));
    } catch (error) {
      await this.close();
      throw error;
    }
    for (const host of hosts) this.#services.log.info({ host }, 'API listens');
  }

  /** A server that is not listening yet, for tests. */
  createServer(timeout: HeaderTimeout): Server {
    return createHttpServer(this.#handlers, undefined, timeout);
  }

  async close(): Promise<void> {
    const closed = this.#listeners.splice(0).map((server) => {
      const done = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return done;
    });
    for (const socket of this.#sessions.open) socket.destroy();
    await Promise.all(closed);
  }
}

/** The router without a socket; tests use its `inject`. */
export function createApp(services: ApiServices): App {
  const app = fastify({
    logger: false,
    // The router is shared by servers of our own making: Fastify's is never opened.
    serverFactory: (handler) => createServer(handler),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 8192 },
    rewriteUrl: (request) => rewriteUrl(request.method ?? 'GET', request.url ?? '/'),
    exposeHeadRoutes: false,
    schemaController: { compilersFactory: compilers as unknown as CompilersFactory },
    frameworkErrors: (error, _request, reply) => {
      const answer = errorAnswer(new EngineError('invalid', error.message), services.log);
      reply.headers(commonHeaders);
      sendJson(reply as unknown as FastifyReply, { message: answer.message }, answer.status);
    },
  }) as unknown as App;

  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(commonHeaders);
    try {
      checkVersion(request.originalUrl);
      // Fastify refuses what is no media type before any parser is asked, but to a route without JSON it does not matter.
      request.headers['content-type'] = anyMediaType;
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request, payload, done) => {
    const { body } = request.routeOptions.config;
    if (body !== 'json') return done(null, body === 'stream' ? payload : undefined);
    readJsonBody(payload, contentTypeOf(request.raw)).then((parsed) => done(null, parsed), done);
  });
  app.setErrorHandler(async (error, request, reply) => {
    await drained(request.raw);
    // The answer has the words; where they come from stands in the stack.
    services.log.debug({ err: error }, 'API request failed');
    const answer = errorAnswer(error, services.log);
    if (answer.status === 304) return reply.code(304).send();
    return sendJson(reply, { message: answer.message }, answer.status);
  });
  app.setNotFoundHandler((_request, reply) => void sendJson(reply, { message: 'page not found' }, 404));
  return app;
}

type CompilersFactory = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>;

/** Given to Fastify instead of its own compilers, which would take the daemon 10 MB. Schemas are compiled when they are first met. */
const validatorOf: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart !== 'body' && httpPart !== 'querystring') return () => true;
  let decode: ((data: Record<string, unknown>) => unknown) | undefined;
  return (data: Record<string, unknown>) => {
    decode ??= httpPart === 'body' ? compileBody(schema as TSchema) : compileQuery(schema as TObject);
    try {
      return { value: decode(data) };
    } catch (error) {
      return { error: error as Error };
    }
  };
};

const compilers = { buildValidator: () => validatorOf, buildSerializer: () => () => JSON.stringify };

export function registerRoutes(app: App, services: ApiServices): readonly HijackTarget[] {
  const document = new OpenApiDocument(app);
  registerSystem(app, services);
  registerContainers(app, services);
  registerContainerLifecycle(app, services);
  registerContainerFiles(app, services);
  const attach = registerContainerStreams(app, services);
  const execStart = registerExec(app, services);
  registerExplain(app, services);
  registerImages(app, services);
  registerBuild(app, services);
  const session = registerBuildSession(app, services);
  registerImageArchives(app, services);
  registerNetworks(app, services);
  registerRegistry(app, services);
  registerVolumes(app, services);
  registerNotHere(app);
  document.register(app);
  return [...attach, execStart, session];
}
