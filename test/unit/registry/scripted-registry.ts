// An HTTP server on loopback that answers as a test says, and keeps what it was asked.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Asked {
  method: string;
  url: string;
  authorization: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

export type Answer = (asked: Asked, response: ServerResponse) => void;

export class ScriptedRegistry {
  readonly asked: Asked[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(answer: Answer): Promise<ScriptedRegistry> {
    const server = createServer();
    const registry = new ScriptedRegistry(server);
    server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
      const asked: Asked = {
        method: request.method ?? '',
        url: request.url ?? '',
        authorization: request.headers.authorization,
        headers: request.headers,
        body: await text(request),
      };
      registry.asked.push(asked);
      answer(asked, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Paths and queries, in order; https attempts never reach HTTP. */
  get urls(): string[] {
    return this.asked.map(({ method, url }) => `${method} ${url}`);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
