// What others may see of a container: plain data that does not change any more. How docker's clients are told is the API's business.
import type { EndpointState } from '../../networks/endpoint.ts';
import type { PublishedPort } from '../../networks/kernel/published-port.ts';
import type { BridgeSettings, NetworkRecord } from '../../networks/network-record.ts';
import type { SnapshotDirs } from '../../snapshots/snapshots.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { ContainerState } from '../lifecycle/container-state.ts';

/** A container as it is at one moment. */
export interface SeenContainer {
  readonly record: Readonly<ContainerRecord>;
  readonly state: ContainerState;
  /** True also while paused. */
  readonly isRunning: boolean;
  /** Once at least. */
  readonly hasStarted: boolean;
  /** Its removal has begun. */
  readonly isRemoving: boolean;
  /** undefined: it has nothing of the network, since it does not run. */
  readonly sandbox: SeenSandbox | undefined;
  /** Where the files of its volumes are on the host, by the volume's name. */
  readonly volumePaths: ReadonlyMap<string, string>;
}

/** What a running container has of the network. */
export interface SeenSandbox {
  readonly sandboxId: string;
  readonly connections: readonly SeenConnection[];
  readonly ports: readonly PublishedPort[];
}

export interface SeenConnection {
  readonly network: NetworkRecord;
  readonly endpoint: EndpointState;
}

/** In bytes. */
export interface SeenSizes {
  /** What it has written itself. */
  readonly writtenBytes: number;
  /** Its image's; 0 when that cannot be read. */
  readonly imageBytes: number;
}

/** A link as it is now. */
export interface PresentLink {
  /** The other container's present name; what was asked for when it is gone. */
  readonly name: string;
  readonly alias: string;
}

/** A further name that a link gives to the container at its other end. */
export interface LinkName {
  /** The name of the container that has the link. */
  readonly by: string;
  readonly alias: string;
}

export interface InspectedContainer extends SeenContainer {
  readonly links: readonly PresentLink[];
  readonly runningExecIds: readonly string[];
  /** What a start makes: paths on the host, whether something is there already or not. */
  readonly files: {
    readonly resolvConf: string;
    readonly hostname: string;
    readonly hosts: string;
    /** The directory of its log. */
    readonly log: string;
  };
  /** undefined: its layer is lost. */
  readonly layer: SnapshotDirs | undefined;
  /** Only when they were asked for. */
  readonly sizes?: SeenSizes;
  /** Of the default network, whether the container is on it or not. */
  readonly defaultBridge: BridgeSettings | undefined;
}

export interface ListedContainer extends SeenContainer {
  /** The names that other containers' links give it. */
  readonly linkNames: readonly LinkName[];
  /** As it was typed; undefined when that name means another image now, or none. */
  readonly imageName: string | undefined;
  /** Only when they were asked for. */
  readonly sizes?: SeenSizes;
}
