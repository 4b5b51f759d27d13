// What the API needs of the engine: the services' interfaces, and a place for its own log lines. Built by daemon/engine.ts; tests pass fakes.
import type { BuildService } from '../build/build-service.ts';
import type { ContainerService } from '../containers/container-service.ts';
import type { SystemService } from '../containers/system-service.ts';
import type { ImageStore } from '../images/image-service.ts';
import type { RegistryService } from '../images/registry-service.ts';
import type { NetworkService } from '../networks/network-service.ts';
import type { VolumeService } from '../volumes/volume-service.ts';

/** pino's signature, as far as it is used. */
export interface ApiLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ApiServices {
  readonly containers: ContainerService;
  readonly images: ImageStore;
  readonly registry: RegistryService;
  readonly networks: NetworkService;
  readonly volumes: VolumeService;
  readonly build: BuildService;
  readonly system: SystemService;
  readonly log: ApiLog;
  /** Of a unix socket's descriptor: 0 when its peer has read everything. Without it a pause has to do. */
  readonly unreadByPeer?: (fd: number) => number;
}
