// The sessions that clients have open: each is a connection over which the engine may ask its client, for as long as the client keeps it.
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import type { SessionFacts } from '../build-service.ts';
import type { ClientServices } from '../steps/step.ts';
import type { DirectoryReceiver } from './file-sync.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { SessionClient } from './session-client.ts';

/** A client opens its session and asks for a build at the same time: whichever comes first waits. */
const WAIT_MS = 5000;
const MAX_SESSIONS = 1000;

interface Waiting {
  readonly id: string;
  give(client: SessionClient): void;
}

export class Sessions implements Disposable {
  readonly #directories: DirectoryReceiver;
  readonly #open = new Map<string, { client: SessionClient; connection: GrpcConnection }>();
  readonly #waiting = new Set<Waiting>();
  readonly #waitMs: number;

  constructor(directories: DirectoryReceiver, waitMs = WAIT_MS) {
    this.#directories = directories;
    this.#waitMs = waitMs;
  }

  /** Throws 'invalid' before it is answered: who has no name cannot be asked for, and a name is one client's. */
  check({ id }: SessionFacts): void {
    if (!/^[\x21-\x7e]{1,200}$/.test(id)) throw new EngineError('invalid', 'open session: it has no id');
    if (this.#open.has(id)) throw new EngineError('conflict', `open session ${id}: it is open already`);
    if (this.#open.size >= MAX_SESSIONS) throw new EngineError('unavailable', 'open session: too many are open');
  }

  /** The connection, which speaks HTTP/2 from here on, is the session's. Resolves when it has ended. */
  async serve(facts: SessionFacts, connection: Duplex): Promise<void> {
    this.check(facts);
    const grpc = new GrpcConnection(connection);
    const client = new SessionClient(facts, grpc, this.#directories);
    this.#open.set(facts.id, { client, connection: grpc });
    for (const waiting of [...this.#waiting]) if (waiting.id === facts.id) waiting.give(client);
    await grpc.closed;
    if (this.#open.get(facts.id)?.client === client) this.#open.delete(facts.id);
  }

  /** Throws 'not-found' when it is not open, and is not opened within five seconds. */
  find(id: string): Promise<SessionClient> {
    const known = this.#open.get(id)?.client;
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        id,
        give: (client) => {
          end();
          resolve(client);
        },
      };
      const timer = setTimeout(() => {
        end();
        reject(new EngineError('not-found', `no active session for ${id.slice(0, 200)}`));
      }, this.#waitMs);
      this.#waiting.add(waiting);
    });
  }

  /** What the client of a session can be asked; the session is looked for when it is. */
  client(id: string): ClientServices & Pick<SessionClient, 'credentials'> {
    return {
      secret: async (secretId) => (await this.find(id)).secret(secretId),
      sshAgent: async (agentId) => (await this.find(id)).sshAgent(agentId),
      directory: async (...wanted) => (await this.find(id)).directory(...wanted),
      credentials: async (host) => (await this.find(id)).credentials(host),
    };
  }

  /** Ends them all. */
  [Symbol.dispose](): void {
    for (const { connection } of this.#open.values()) connection.close();
  }
}
