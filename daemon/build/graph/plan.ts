// What a Dockerfile is planned with and what comes of it.
import type { HistoryEntry, ImageConfig } from '../../images/documents/image-config.ts';
import type { ContextChoice, PlannedStep } from '../build-request.ts';
import type { LintWarning } from '../dockerfile/lint/lint-warning.ts';
import type { BuildPlatform, Edge, ExecOperation } from './operation.ts';

/** The files that COPY and ADD without --from take. */
export type MainContext =
  /** A directory of the client, without what the patterns (of .dockerignore) say. */
  | { readonly kind: 'local'; readonly name: string; readonly exclude: readonly string[] }
  /** Files that are the same whatever is needed of them: a checkout, an archive; undefined: none at all. */
  | { readonly kind: 'files'; readonly files: Edge | undefined };

export interface PlanOptions {
  /** As it is shown in messages. */
  readonly dockerfileName: string;
  readonly context: MainContext;
  /** As they were named; an image's name overrides that image. */
  readonly namedContexts: ReadonlyMap<string, ContextChoice>;
  /** Empty: the last stage. */
  readonly target: string;
  /** undefined as a value: as if it was not given. */
  readonly buildArgs: ReadonlyMap<string, string | undefined>;
  readonly labels: ReadonlyMap<string, string>;
  /** What is built; undefined: for where it is built, and what a base image is when that is for another. */
  readonly targetPlatform: BuildPlatform | undefined;
  readonly buildPlatform: BuildPlatform;
  /** Names of vertices say for which platform they are. */
  readonly isMultiPlatform: boolean;
  readonly ignoresCache: boolean;
  readonly ignoresCacheOf: readonly string[];
  /** Of RUN without --network: "none" and "host" become part of the step; 'default' is what the engine has for the build. */
  readonly network: ExecOperation['network'];
}

export interface ResolvedImage {
  readonly imageId: string;
  /** Canonical, with the digest when it is known: "docker.io/library/busybox:latest@sha256:…". */
  readonly reference: string;
  readonly config: ImageConfig;
}

/** What planning has to ask for. Each rejects with an EngineError. */
export interface PlanLookups {
  /** The image is in the store then, and held by the build. `reference` is canonical; `name` is the step's. */
  resolveImage(asked: {
    readonly reference: string;
    readonly platform: BuildPlatform;
    readonly name: string;
  }): Promise<ResolvedImage>;
  /** The config of an image that is in the store; undefined: it is not, or for another platform. Nothing is fetched. */
  knownImage(asked: { readonly reference: string; readonly platform: BuildPlatform }): ImageConfig | undefined;
  /** An image in an OCI layout of the client: its config. */
  resolveLayout(asked: {
    readonly name: string;
    readonly digest: string;
    readonly platform: BuildPlatform;
  }): Promise<ImageConfig>;
  /**
   * The bytes of a file in the result of a vertex, which is made for it; links are followed inside. undefined: there is none. One with more than
   * `maxBytes` is rejected as 'invalid', or cut with `cuts`.
   */
  readFile(
    files: Edge,
    path: string,
    limit: { readonly maxBytes: number; readonly cuts?: boolean },
  ): Promise<Uint8Array | undefined>;
}

export interface BuildPlan {
  /** undefined: an image without files. */
  readonly target: Edge | undefined;
  /**
   * Of the image as the Dockerfile makes it: `rootfs` and `history` begin with those of the base image. `created` and the diff ids of the layers that
   * are new are not there: see finish-image.ts.
   */
  readonly image: ImageConfig;
  /** The base image as it is; undefined: scratch, or files without a config. */
  readonly baseImage: ImageConfig | undefined;
  /** One for each entry of the image's history that is not the base image's, in order. */
  readonly history: readonly PlannedHistory[];
  /** Times of files and of the image, seconds since 1970: SOURCE_DATE_EPOCH. */
  readonly epoch: number | undefined;
  readonly platform: BuildPlatform;
  readonly steps: readonly PlannedStep[];
  /** Of docker's build checks, in the order in which docker finds them. */
  readonly warnings: readonly LintWarning[];
  /** --build-arg names that nothing has declared, as they were given. */
  readonly unusedArgs: readonly string[];
}

export interface PlannedHistory {
  /** `created` only with SOURCE_DATE_EPOCH. */
  readonly entry: HistoryEntry;
  /** The files after it; undefined: the entry is one without a layer. */
  readonly files: Edge | undefined;
}
