// POST /session: a client lends its connection to the engine, which asks it over HTTP/2 for what a build needs of it (moby/buildkit, session/).
import type { IncomingMessage } from 'node:http';
import type { BuildService, SessionFacts } from '../../build/build-service.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { App } from '../app.ts';
import { headerLines, statusLine } from '../http/http-server.ts';
import type { ApiServices } from '../services.ts';
import type { HijackTarget, UpgradeHandler } from '../sessions/hijack.ts';

const MAX_METHODS = 100;

/** Registers the route; returns how it is opened, for it takes the connection over. */
export function registerBuildSession(app: App, { build }: Pick<ApiServices, 'build'>): HijackTarget {
  app.post('/session', { schema: { summary: 'Be asked during builds (101, Upgrade: h2c)', tags: ['Build'] } }, refuse);
  return {
    method: 'POST',
    path: /^\/session$/,
    upgrades: { protocols: { h2c: sessionUpgrade(build) }, none: refuse, other: refuse },
  };
}

async function refuse(): Promise<never> {
  throw new EngineError('invalid', 'no upgrade: a session needs "Connection: Upgrade", "Upgrade: h2c"');
}

function sessionUpgrade(build: Pick<BuildService, 'checkSession' | 'serveSession'>): UpgradeHandler {
  return async ({ request, socket, leftover, sessions }) => {
    const facts = sessionFacts(request);
    build.checkSession(facts);
    socket.write(
      `${statusLine(101, 'Switching Protocols')}${headerLines({ Connection: 'Upgrade', Upgrade: 'h2c' })}\r\n`,
    );
    if (leftover.length > 0) socket.unshift(leftover);
    sessions.open.add(socket);
    socket.once('close', () => sessions.open.delete(socket));
    await build.serveSession(facts, socket);
  };
}

/** What BuildKit's clients say in headers; methods come in one each, or with commas. */
export function sessionFacts(request: Pick<IncomingMessage, 'headersDistinct'>): SessionFacts {
  const header = (name: string): string[] => request.headersDistinct[`x-docker-expose-session-${name}`] ?? [];
  const methods = header('grpc-method').flatMap((value) => value.split(',').map((method) => method.trim()));
  return {
    id: header('uuid')[0] ?? '',
    sharedKey: header('sharedkey')[0] ?? '',
    methods: new Set(methods.slice(0, MAX_METHODS)),
  };
}
