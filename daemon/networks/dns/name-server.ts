// Resolvers for all containers: begins and ends them, and bounds what they cost together.
import { randomInt } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import type { Query } from '../../protocols/dns/message.ts';
import type { NameDirectory, ResolverSettings, Resolvers, SandboxNamespace } from '../name-directory.ts';
import { ContainerResolver, noAnswer } from './container-resolver.ts';
import type { Transport } from './exchange.ts';
import { forwardQuery } from './forward.ts';
import { hostSockets, socketsIn } from './outside-sockets.ts';
import { resolveQuery } from './resolve-query.ts';
import { openResolverSockets, RESOLVER_ADDRESS } from './resolver-sockets.ts';
import { TokenBucket } from './token-bucket.ts';

/** A container's share. The kernel drops what is beyond it; the daemon does, too, should the container be able to change the rules. */
const LIMITS = { datagramsPerSecond: 2000, connectionsPerSecond: 200 } as const;
/** Questions that wait for an answer from outside, each with a socket: of one container, and of all. */
const MAX_FORWARDED = { ofOne: 100, ofAll: 1000 } as const;

interface Entry extends Disposable {
  namespaceFd: number;
  settings: ResolverSettings;
  forwarded: number;
}

export interface NameServerOptions {
  directory: NameDirectory;
  onError(error: unknown): void;
}

export class NameServer implements Resolvers, Disposable {
  readonly #options: NameServerOptions;
  readonly #entries = new Map<string, Entry>();
  #forwarded = 0;

  constructor(options: NameServerOptions) {
    this.#options = options;
  }

  start(containerId: string, namespace: SandboxNamespace, settings: ResolverSettings): void {
    // A descriptor of our own: the namespace is needed as long as questions are asked from inside it.
    const path = 'fd' in namespace ? `/proc/self/fd/${namespace.fd}` : `/proc/${namespace.pid}/ns/net`;
    const namespaceFd = openSync(path, 'r');
    try {
      const present = this.#entries.get(containerId);
      if (present !== undefined && isSameFile(present.namespaceFd, namespaceFd)) {
        present.settings = settings;
        closeSync(namespaceFd);
        return;
      }
      const entry = this.#open(containerId, { fd: namespaceFd, isFresh: 'fd' in namespace }, settings);
      present?.[Symbol.dispose]();
      this.#entries.set(containerId, entry);
    } catch (error) {
      closeSync(namespaceFd);
      throw error;
    }
  }

  update(containerId: string, settings: ResolverSettings): void {
    const entry = this.#entries.get(containerId);
    if (entry !== undefined) entry.settings = settings;
  }

  stop(containerId: string): void {
    this.#entries.get(containerId)?.[Symbol.dispose]();
    this.#entries.delete(containerId);
  }

  [Symbol.dispose](): void {
    for (const containerId of [...this.#entries.keys()]) this.stop(containerId);
  }

  #open(containerId: string, namespace: { fd: number; isFresh: boolean }, settings: ResolverSettings): Entry {
    const budget = new TokenBucket(LIMITS.datagramsPerSecond, LIMITS.datagramsPerSecond, performance.now());
    const resolver = new ContainerResolver({
      sockets: openResolverSockets(namespace.fd, { isFresh: namespace.isFresh, ...LIMITS }),
      mayRead: () => budget.take(performance.now()),
      answer: (query, transport) => this.#answer(containerId, entry, query, transport),
      onError: this.#options.onError,
    });
    const entry: Entry = {
      namespaceFd: namespace.fd,
      settings,
      forwarded: 0,
      [Symbol.dispose]() {
        resolver[Symbol.dispose]();
        closeSync(entry.namespaceFd);
        entry.namespaceFd = -1;
      },
    };
    return entry;
  }

  #answer(containerId: string, entry: Entry, query: Query, transport: Transport): Buffer | Promise<Buffer> {
    const known = resolveQuery(query, {
      containerId,
      directory: this.#options.directory,
      random: randomInt,
      keepsSingleLabels: entry.settings.isNdotsSet ?? false,
    });
    if (known !== undefined) return known;
    const servers = outsideServers(entry.settings);
    if (servers.length === 0) return noAnswer(query, 'unreachable');
    if (entry.forwarded >= MAX_FORWARDED.ofOne || this.#forwarded >= MAX_FORWARDED.ofAll) {
      return noAnswer(query, 'overload');
    }
    return this.#forward(entry, query, transport, servers);
  }

  async #forward(entry: Entry, query: Query, transport: Transport, servers: readonly string[]): Promise<Buffer> {
    entry.forwarded++;
    this.#forwarded++;
    try {
      const sockets = entry.settings.isFromHost ? hostSockets : socketsIn(() => entry.namespaceFd);
      return (await forwardQuery(query, transport, servers, sockets)) ?? noAnswer(query, 'unreachable');
    } catch (error) {
      this.#options.onError(error);
      return noAnswer(query, 'unreachable');
    } finally {
      entry.forwarded--;
      this.#forwarded--;
    }
  }
}

/**
 * Whom a container's questions may go to. The host's resolvers are out of reach for one that is on internal networks only; servers
 * that it was given are asked from inside its namespace, which is as closed as its networks are. The name server does not ask itself.
 */
function outsideServers(settings: ResolverSettings): readonly string[] {
  if (settings.isFromHost) return settings.hasWayOut ? settings.servers : [];
  return settings.servers.filter((server) => server !== RESOLVER_ADDRESS);
}

function isSameFile(a: number, b: number): boolean {
  const first = fstatSync(a);
  const second = fstatSync(b);
  return first.ino === second.ino && first.dev === second.dev;
}
