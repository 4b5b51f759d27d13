// What the API may ask about the host and the engine as a whole.
import type { ContainerSummary } from '../docker-types/container.ts';
import type { SystemInfo } from '../docker-types/system.ts';
import type { EventLog } from '../state/event-log.ts';

export interface SystemService {
  /** Docker's GET /info, complete. */
  info(): Promise<SystemInfo>;
  /** What GET /version and /_ping need beyond constants. */
  host(): { kernelVersion: string; architecture: string; version: string; gitCommit: string; buildTime: string };
  /** The `Containers` part of GET /system/df. */
  containerUsage(): Promise<ContainerSummary[]>;
  readonly events: EventLog;
}
