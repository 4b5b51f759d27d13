// What carries out a vertex: one function for each kind of operation, beside which the solver knows nothing of files, processes or networks.
import type { Duplex } from 'node:stream';
import type { LayerHold } from '../../snapshots/layer-store.ts';
import type { ExtraHost, Rlimit, SecuritySpec } from '../../spec/container-spec.ts';
import type { NetworkMode } from '../../spec/network-mode.ts';
import type { Vertex } from '../graph/operation.ts';

/**
 * What a vertex made, held until it is disposed. 'layers': a chain that stays as it is, by its highest; undefined: no files at all. 'directory': a
 * tree on the host that is no layer, a client's context or a checkout; nobody changes it while it is held.
 */
export type Result = LayersResult | DirectoryResult;

export interface LayersResult extends Disposable {
  readonly kind: 'layers';
  readonly top: number | undefined;
  /** Another hold on the same. */
  again(): LayersResult;
}

export interface DirectoryResult extends Disposable {
  readonly kind: 'directory';
  readonly path: string;
  /** Tells what is in it for good: "local:<transfer>", "git:<commit>", "http:<digest>". Checksums of its parts are kept by it. */
  readonly identity: string;
  again(): DirectoryResult;
}

/** Limits and surroundings of a build's processes, as `POST /build` has them. */
export interface ExecSettings {
  readonly memoryBytes: number;
  readonly memorySwapBytes: number;
  readonly cpuShares: number;
  readonly cpuPeriodUs: number;
  readonly cpuQuotaUs: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly shmBytes: number;
  readonly rlimits: readonly Rlimit[];
  readonly extraHosts: readonly ExtraHost[];
  /** Of RUN without --network. */
  readonly network: NetworkMode;
  readonly cgroupParent: string;
  readonly security: StepSecurity;
  /** What its steps may ask for; undefined: none of it. The host's network needs no word when it is `network`. */
  readonly entitlements?: readonly Entitlement[];
}

/** How a step's posture differs from that of `run`; see SecuritySpec. */
export interface StepSecurity
  extends Pick<SecuritySpec, 'noNewPrivileges' | 'seccomp' | 'hasWritableCgroups' | 'hasOpenSystemPaths'> {}

/** BuildKit's names (util/entitlements). */
export type Entitlement = 'network.host' | 'security.insecure';

/** What the client of a build can be asked for: a session's services, or what came with the request. */
export interface ClientServices {
  /** undefined: the client has none of that name. At most 512,000 bytes. */
  secret(id: string): Promise<Uint8Array | undefined>;
  /** A connection to the client's agent; undefined: it forwards none of that name. */
  sshAgent(id: string): Promise<Duplex | undefined>;
  /** A directory of the client, received as far as it is not here yet; undefined: it has none of that name. */
  directory(
    name: string,
    wanted: {
      readonly include: readonly string[];
      readonly exclude: readonly string[];
      readonly followPaths: readonly string[];
    },
    signal: AbortSignal,
  ): Promise<DirectoryResult | undefined>;
}

/** What a step is given beside its vertex. */
export interface StepRun {
  readonly vertex: Vertex;
  readonly signal: AbortSignal;
  readonly exec: ExecSettings;
  readonly client: ClientServices;
  /** An ExecFailed comes with its root. */
  readonly keepsFailed?: boolean;
  /** For `work` that only waits for other steps: so many run at once, and meanwhile this is none of them. */
  readonly whileWaiting?: <T>(work: () => Promise<T>) => Promise<T>;
  /** Output of what runs. */
  log(stream: 'stdout' | 'stderr', bytes: Uint8Array): void;
  /** `id`: what is counted. `total` 0: not known. */
  status(id: string, current: number, total: number, isComplete: boolean): void;
}

/** A layer that is whole; its digest may still be computed: see LayerStore.adopt. */
export type MadeLayer = LayerHold;

/** What makes results: each rejects with an EngineError, or with ExecFailed, and leaves nothing then. */
export interface Steps {
  source(run: StepRun): Promise<Result>;
  /** One result for each output of the vertex. */
  exec(run: StepRun, inputs: readonly Result[]): Promise<LayersResult[]>;
  file(run: StepRun, inputs: readonly Result[]): Promise<LayersResult[]>;
  merge(run: StepRun, inputs: readonly Result[]): Promise<LayersResult>;
  diff(run: StepRun, inputs: readonly Result[]): Promise<LayersResult>;
  /**
   * sha256 digest of what a copy would take of these files: names, kinds, modes, owners, link targets, device numbers, extended attributes, data;
   * no times. Throws 'not-found' as the copy would. Remembered for what does not change.
   */
  checksum(input: Result, selection: Selection, signal: AbortSignal): Promise<string>;
}

/** Part of some files: what a copy's sources and exclusions choose, or one path with all below it. */
export interface Selection {
  readonly sources: readonly string[];
  readonly exclude: readonly string[];
  readonly hasWildcards: boolean;
  readonly allowsNoMatch: boolean;
  /** As in CopyAction. */
  readonly keepsParents?: boolean;
  /** Links that the sources name are followed, as a copy does. */
  readonly followsLinks: boolean;
}
