// What front ends may ask of the builder: to build, to receive what is built from, and what it keeps to be quick the next time.
import type { Duplex, Readable } from 'node:stream';
import type { ContextOffer } from '../protocols/context-list/context-offer.ts';
import type { Builder } from './build-request.ts';
import type { ClientServices, DirectoryResult } from './steps/step.ts';

/** What came as the body of a request: an archive, unpacked and held, or a Dockerfile alone. */
export type ReceivedContext =
  | { readonly kind: 'directory'; readonly directory: DirectoryResult }
  | { readonly kind: 'dockerfile'; readonly text: string };

export interface BuildService extends Builder {
  readonly cache: BuildCache;
  /** Rejects with 'invalid' for what is no archive or a hostile one; nothing stays then. The stream is taken over. */
  receive(body: Readable, signal: AbortSignal): Promise<ReceivedContext>;
  /** Takes a list of the directory that a client calls `id`, and tells what has to come of it. Throws 'invalid'. The stream is taken over. */
  offerContext(id: string, list: Readable, signal: AbortSignal): Promise<ContextOffer>;
  /** The directory of an offer, brought up to date by an archive of what it asked for. Throws 'not-found', 'invalid'. */
  receiveChanges(update: string, body: Readable, signal: AbortSignal): Promise<DirectoryResult>;
  /** Throws 'invalid', 'conflict' or 'unavailable' when such a session cannot be opened. */
  checkSession(facts: SessionFacts): void;
  /** Speaks HTTP/2 on the connection, as gRPC's client, until it ends. */
  serveSession(facts: SessionFacts, connection: Duplex): Promise<void>;
  /** What the client of a session can be asked. Its calls throw 'not-found' when no such session is open, nor opened within some seconds. */
  sessionClient(sessionId: string): ClientServices;
}

/** What a client says of its session when it opens it. */
export interface SessionFacts {
  readonly id: string;
  /** The same for all sessions of one client and directory: what it sent before need not come again. Empty: there is none. */
  readonly sharedKey: string;
  /** What it can be asked: "/moby.buildkit.secrets.v1.Secrets/GetSecret", … */
  readonly methods: ReadonlySet<string>;
}

/** What is kept between builds: results of vertices, cache mounts, directories of clients. */
export interface BuildCacheEntry {
  readonly id: string;
  readonly parents: readonly string[];
  readonly kind: 'regular' | 'source.local' | 'source.git.checkout' | 'exec.cachemount' | 'frontend' | 'internal';
  readonly description: string;
  /** By a build that goes on. */
  readonly isInUse: boolean;
  /** Its files are an image's, too. */
  readonly isShared: boolean;
  readonly sizeBytes: number;
  readonly createdMs: number;
  readonly lastUsedMs: number | undefined;
  readonly useCount: number;
}

export interface PruneCacheOptions {
  /** Also what images share, and what is internal. */
  readonly all: boolean;
  /** Docker's: id, parent, type, description, inuse, shared, private, until, unused-for. */
  readonly filters: ReadonlyMap<string, readonly string[]>;
  /** Bytes that may stay; undefined: none. */
  readonly reservedBytes?: number;
  /** Bytes that are aimed at. */
  readonly maxUsedBytes?: number;
  readonly minFreeBytes?: number;
}

export interface BuildCache {
  list(): Promise<BuildCacheEntry[]>;
  prune(options: PruneCacheOptions): Promise<{ readonly ids: readonly string[]; readonly bytes: number }>;
}
