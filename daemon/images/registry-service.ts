// What the API may ask about registries, beside what it may ask about images: pulling, checking a login, looking at what a registry has.
import type { Descriptor } from '../content/digest.ts';
import type { SearchResult } from '../docker-types/image.ts';
import type { Credentials, RegistryFacts } from '../registry/registry-session.ts';
import type { SearchOptions } from '../registry/search.ts';
import type { Platform } from './documents/platform.ts';
import type { PushOptions } from './image-service.ts';
import type { ProgressSink } from './progress.ts';

export interface PullOptions {
  /** As the client says it: "busybox", "localhost:5000/a/b:1", "a@sha256:…". */
  image: string;
  /** A tag or a digest; empty: what `image` says, and all tags where it says none. */
  tag: string;
  /** `os[/arch[/variant]]`; empty is the host's. */
  platform: string;
  credentials: Credentials;
  /** What fails before the first message is an answer of its own. */
  onProgress: ProgressSink;
  /** The client has gone: what nobody else waits for ends. */
  signal: AbortSignal;
}

/** What a registry has under a name: an image, or an index of several. */
export interface RemoteImage {
  readonly descriptor: Descriptor;
  /** That it is for. */
  readonly platforms: readonly Platform[];
}

export interface RegistryService {
  /** Throws EngineError in Docker's words. */
  pull(options: PullOptions): Promise<void>;
  /** Throws EngineError in Docker's words. `name`: as the client says it. */
  push(name: string, options: PushOptions): Promise<void>;
  search(options: SearchOptions): Promise<SearchResult[]>;
  /** The identity token that the registry gives for later, or ''. Throws 'unauthorized'. */
  login(serverAddress: string, credentials: Credentials): Promise<string>;
  /** Throws EngineError in Docker's words. `name`: as the client says it. */
  distribution(name: string, credentials: Credentials): Promise<RemoteImage>;
  facts(): RegistryFacts;
}
