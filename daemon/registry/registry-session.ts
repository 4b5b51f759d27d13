// What pull, push and the distribution routes ask of a registry: one repository, with one user's credentials. Made by `Registries.open`.
// Every method throws EngineError in Docker's words; secrets are in none of them.
import type { Readable } from 'node:stream';
import type { Descriptor } from '../content/digest.ts';

/** Who asks. All empty: nobody. From the X-Registry-Auth header, per request; never stored. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** A refresh token that a login gave instead of the password. */
  readonly identityToken: string;
  /** A ready bearer token. */
  readonly registryToken: string;
}

export const noCredentials: Credentials = Object.freeze({
  username: '',
  password: '',
  identityToken: '',
  registryToken: '',
});

/** A manifest or index, its digest checked. */
export interface FetchedManifest extends Descriptor {
  bytes: Buffer;
}

export interface FetchedBlob {
  /** The blob's bytes from `offset` on. Errors of the connection destroy it. It is the caller who checks size and digest. */
  readonly stream: Readable;
  /** 0 when the registry does not serve ranges, whatever was asked for. */
  readonly offset: number;
  /** Bytes of the whole blob as the registry says; undefined when it does not. */
  readonly sizeBytes: number | undefined;
}

/** Where blobs come from: a registry, or what looks like one. */
export interface BlobSession extends Disposable {
  /** Somebody else than the registry itself is asked first. */
  readonly hasMirrors: boolean;
  /** From `offset` on where the registry can; `origin`: from nobody but itself. Throws 'not-found'. */
  blob(digest: string, options?: { offset?: number; origin?: boolean; signal?: AbortSignal }): Promise<FetchedBlob>;
}

/** What can be pulled from. */
export interface PullSession extends BlobSession {
  /** By tag or digest. Bounded in size; asked by digest, it has that digest. Throws 'not-found'. */
  manifest(reference: string, signal?: AbortSignal): Promise<FetchedManifest>;
}

export interface RegistrySession extends PullSession {
  /** With domain: "docker.io/library/busybox". */
  readonly repository: string;

  /** undefined: it is not there. */
  headManifest(reference: string, signal?: AbortSignal): Promise<Descriptor | undefined>;
  /** Bytes; undefined: it is not there. Asks the origin, never a mirror. */
  headBlob(digest: string, signal?: AbortSignal): Promise<number | undefined>;
  tags(signal?: AbortSignal): Promise<string[]>;

  /** Asks to take a blob over from another repository of the same registry. False: it has to be uploaded. */
  mountBlob(digest: string, fromRepository: string, signal?: AbortSignal): Promise<boolean>;
  /** Sends a whole blob. `open` is called again for every attempt; the digest is what the registry checks. */
  uploadBlob(blob: Descriptor, open: () => Readable, options?: UploadOptions): Promise<void>;
  /** By tag or digest. Returns the digest that the registry gave it. */
  putManifest(reference: string, mediaType: string, bytes: Uint8Array, signal?: AbortSignal): Promise<string>;
}

export interface UploadOptions {
  /** Bytes that have left, from 0 again when an attempt is repeated. */
  onProgress?: (sentBytes: number) => void;
  signal?: AbortSignal;
}

/** All registries, with the daemon's settings for each. */
export interface Registries {
  /** `push`: the rights that are asked for; mirrors are not used then. */
  open(repository: string, credentials: Credentials, access: 'pull' | 'push'): RegistrySession;
  /** POST /auth. Returns the identity token, empty when the registry gives none. Throws 'unauthorized'. */
  login(serverAddress: string, credentials: Credentials): Promise<string>;
  /** For GET /info. */
  describe(): RegistryFacts;
}

export interface RegistryFacts {
  insecureCidrs: string[];
  insecureHosts: string[];
  /** Of docker.io. */
  mirrors: string[];
  /** Without their passwords. */
  proxies: { HTTP_PROXY?: string; HTTPS_PROXY?: string; NO_PROXY?: string };
}
