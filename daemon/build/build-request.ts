// What a front end (POST /build, later BuildKit's Solve) asks of the builder, and what comes of it. Words of Docker's API stop before this.
import type { Readable } from 'node:stream';
import type { Credentials } from '../registry/registry-session.ts';
import type { BuildPlatform } from './graph/operation.ts';
import type { BuildEventSink } from './solver/build-event.ts';
import type { ClientServices, ExecSettings } from './steps/step.ts';

/** What is asked: an image (or files), or something about the Dockerfile. */
export type BuildCall = 'build' | 'check' | 'outline' | 'targets';

/** Where the files of a build or of a named context come from. */
export type ContextChoice =
  /** A directory of the client, by the name that it has there. */
  | { readonly kind: 'client'; readonly name: string }
  /** A git repository, or an archive or a Dockerfile by HTTP. */
  | { readonly kind: 'remote'; readonly url: string }
  /** "docker-image://…": an image's files. */
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'oci-layout'; readonly name: string; readonly digest: string }
  /** Only a Dockerfile: COPY finds an empty directory. */
  | { readonly kind: 'none' };

/** Of --cache-from: "type=registry,ref=…". 'image': a name alone, which may be an image's that has a cache in it. */
export interface CacheSourceChoice {
  readonly type: 'registry' | 'local' | 'image';
  readonly attributes: Readonly<Record<string, string>>;
  /** Of 'local': what the client calls the directory. */
  readonly directory?: string;
}

/** Of --cache-to: "type=registry,ref=…". 'inline': in the image. */
export interface CacheDestination {
  readonly type: 'registry' | 'local' | 'inline';
  readonly attributes: Readonly<Record<string, string>>;
  /** Of 'local': takes an OCI image layout as a tar. */
  readonly sink?: (archive: Readable) => Promise<void>;
}

/** Of --output. Files for the client ('local', 'tar', 'oci', 'docker' without a name in the store) go to `sink` as one tar. */
export interface OutputChoice {
  readonly type: 'image' | 'local' | 'tar' | 'oci' | 'docker';
  readonly attributes: Readonly<Record<string, string>>;
  /** Takes the archive: required for all but 'image'. */
  readonly sink?: (archive: Readable) => Promise<void>;
}

export interface BuildRequest {
  readonly call: BuildCall;
  readonly context: ContextChoice;
  /** Path in the context; ignored when `dockerfileText` is there. Empty: "Dockerfile". */
  readonly dockerfile: string;
  /** A Dockerfile that is not in the context. */
  readonly dockerfileText?: string;
  /** By name: --build-context. */
  readonly namedContexts: ReadonlyMap<string, ContextChoice>;
  readonly target: string;
  /** undefined as a value: the variable is taken away, as with docker. */
  readonly buildArgs: ReadonlyMap<string, string | undefined>;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** Full names, "docker.io/library/a:latest" or as the user wrote them. */
  readonly tags: readonly string[];
  readonly platforms: readonly BuildPlatform[];
  readonly ignoresCache: boolean;
  /** Stages that are run anew: --no-cache-filter. */
  readonly ignoresCacheOf: readonly string[];
  /** Images are looked for in the registry even when they are here. */
  readonly pulls: boolean;
  readonly cacheFrom: readonly CacheSourceChoice[];
  readonly cacheTo: readonly CacheDestination[];
  readonly outputs: readonly OutputChoice[];
  readonly exec: ExecSettings;
  readonly client: ClientServices;
  /** Credentials for a registry's host; noCredentials where there are none. */
  readonly auth: (host: string) => Credentials;
  /** A failed step's root becomes an image that is named in the outcome's error. */
  readonly keepsFailed: boolean;
  readonly tell: BuildEventSink;
  readonly signal: AbortSignal;
}

/** One instruction of the stages that the target needs, in the file's order: for who tells a build step by step. */
export interface PlannedStep {
  /** As written: "RUN make". */
  readonly text: string;
  /** undefined: it changes the image's config only. */
  readonly vertex: string | undefined;
}

export interface BuildOutcome {
  /** "sha256:…" of the image, when one was made in the store. */
  readonly imageId?: string;
  /** BuildKit's names: "containerimage.digest", "containerimage.config.digest", "image.name". */
  readonly metadata: Readonly<Record<string, string>>;
  /** Of 'check', 'outline', 'targets': BuildKit's JSON, and its text. */
  readonly answer?: { readonly json: unknown; readonly text: string };
  /** --build-arg names that nothing used. */
  readonly unusedArgs: readonly string[];
}

export interface Builder {
  /**
   * Rejects with EngineError ('invalid': the Dockerfile, with file and lines in its message), ExecFailed, or the signal's reason. `plan` is called once
   * the graph is there, before anything runs.
   */
  build(request: BuildRequest, plan: (steps: readonly PlannedStep[]) => void): Promise<BuildOutcome>;
}
