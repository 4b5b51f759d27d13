// What a container is, in words of our own: all that its process, its surroundings and its care need. Made once, at create, by from-docker.ts
// out of Docker's body and the image; stored beside that body, which is kept to be shown again and for nothing else. Plain data: no host is
// asked here, so what depends on one (who `user` is, what a device's number is, which rights there are) is decided at each start.
import type { Limits } from './limits.ts';
import type { ResolvedMount } from './mount.ts';
import type { NetworkMode } from './network-mode.ts';
import type { PortsSpec } from './ports.ts';
import type { SeccompProfile } from './seccomp-rules.ts';

export interface ContainerSpec {
  /** How the user called the image. */
  readonly imageName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** In a UTS namespace of its own; with somebody else's network, that one's names. Changed at a start: see join-namespaces.ts. */
  readonly hostname: string;
  readonly domainname: string;
  readonly process: ProcessSpec;
  /** The root cannot be written to. */
  readonly isRootReadonly: boolean;
  readonly mounts: readonly ResolvedMount[];
  readonly namespaces: NamespaceModes;
  readonly network: NetworkMode;
  /** `network` is 'none' then, and no connect gives it another. */
  readonly isNetworkDisabled: boolean;
  readonly dns: DnsSpec;
  /** Further lines of its hosts file. */
  readonly extraHosts: readonly ExtraHost[];
  /** Other containers under names of its own. */
  readonly links: readonly Link[];
  readonly ports: PortsSpec;
  readonly security: SecuritySpec;
  readonly devices: DevicesSpec;
  /** As granted: what the host could not do at create, or at the last update, is not there. */
  readonly limits: Limits;
  /** Where its control group goes, a path or a slice as the driver has it; empty: below the engine's. */
  readonly cgroupParent: string;
  readonly sysctls: Readonly<Record<string, string>>;
  /** A driver's name and its options, which only the driver understands. */
  readonly log: LogChoice;
  /** undefined: none. */
  readonly healthCheck?: HealthCheck;
  readonly restart: RestartPolicy;
  /** What turns unhealthy is restarted. */
  readonly restartsUnhealthy: boolean;
  /** It is removed when it has ended. */
  readonly removesItself: boolean;
  readonly stop: StopSpec;
}

export interface ProcessSpec {
  /** The program and its arguments: the image's entry point goes before. Never empty in what create makes. */
  readonly args: readonly string[];
  /** NAME=value; a NAME alone takes the variable away. */
  readonly env: readonly string[];
  /** Empty: the root. */
  readonly workingDir: string;
  /** Name or number, with `:group`; looked up in the container's own files at each start. Empty: the superuser. */
  readonly user: string;
  /** Further groups, names or numbers. */
  readonly groups: readonly string[];
  readonly hasTerminal: boolean;
  /** Of the terminal, at the start. */
  readonly consoleSize?: { readonly height: number; readonly width: number };
  /** 'first' closes with the first client that leaves. */
  readonly stdin: 'none' | 'first' | 'open';
  /** A small first process reaps what is left. */
  readonly hasInit: boolean;
  readonly rlimits: readonly Rlimit[];
  /** -1000 to 1000. */
  readonly oomScoreAdj: number;
}

/** In the kernel's names, lower case ("nofile"); -1 is unlimited. */
export interface Rlimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** `ref` of kind 'container' is an id where that container was there at create, else what the user wrote. */
export type NamespaceMode =
  | { readonly kind: 'private' }
  | { readonly kind: 'host' }
  | { readonly kind: 'container'; readonly ref: string };

/**
 * With 'private' the container's own /dev/shm has so many bytes (0: none at all), and 'shareable' lets other containers join. Whoever joins
 * another's, or has the host's, may be joined as well.
 */
export type IpcMode = NamespaceMode & { readonly shmBytes: number; readonly isShareable: boolean };

export interface NamespaceModes {
  readonly pid: NamespaceMode;
  readonly ipc: IpcMode;
  readonly uts: Exclude<NamespaceMode, { kind: 'container' }>;
  /** undefined: as the version of the host's control groups suggests. */
  readonly cgroup?: 'private' | 'host';
}

/** Empty lists: the engine's own settings. */
export interface DnsSpec {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Stands for the host's addresses as the container sees them. */
export const hostGateway = 'host-gateway';

export interface ExtraHost {
  readonly name: string;
  /** Or `hostGateway`. */
  readonly address: string;
}

/** `target`: a name or id. */
export interface Link {
  readonly target: string;
  readonly alias: string;
}

export interface SecuritySpec {
  /** All rights that the engine has, all devices, no filter unless one is asked for. */
  readonly isPrivileged: boolean;
  readonly capabilities: CapabilityChoice;
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompChoice;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly hasWritableCgroups: boolean;
  /** The engine's masks of /proc and /sys were refused (systempaths=unconfined). */
  readonly hasOpenSystemPaths: boolean;
}

/** Beside the default set: names with CAP_, or 'ALL'. */
export interface CapabilityChoice {
  readonly add: readonly string[];
  readonly drop: readonly string[];
}

/** 'default': the engine's filter, none for a privileged container. */
export type SeccompChoice =
  | { readonly kind: 'default' }
  | { readonly kind: 'unconfined' }
  | { readonly kind: 'profile'; readonly profile: SeccompProfile };

export interface DevicesSpec {
  readonly mappings: readonly DeviceMapping[];
  /** Beside the nodes of the mappings and those that every container has. */
  readonly rules: readonly DeviceRule[];
}

/** A device of the host, or a directory of them, in the container. */
export interface DeviceMapping {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Some of r, w and m. */
  readonly access: string;
}

/** Something that is allowed; 'all' stands for every number. */
export interface DeviceRule {
  readonly type: 'b' | 'c';
  readonly major: number | 'all';
  readonly minor: number | 'all';
  /** Some of r (read), w (write), m (mknod). */
  readonly access: string;
}

export interface LogChoice {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface HealthCheck {
  readonly args: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

/** `maxRetries` 0: any number. */
export type RestartPolicy =
  | { readonly kind: 'no' }
  | { readonly kind: 'always' }
  | { readonly kind: 'unless-stopped' }
  | { readonly kind: 'on-failure'; readonly maxRetries: number };

export interface StopSpec {
  /** A name or number; undefined: SIGTERM. */
  readonly signal?: string;
  /** -1 waits for ever; undefined: the engine's default. */
  readonly timeoutSeconds?: number;
}
