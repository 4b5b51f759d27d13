// What the API may ask about the host and the engine as a whole.
import type { EventLog } from '../state/event-log.ts';
import type { Wire } from './container-service.ts';

export interface SystemService {
  /** Docker's GET /info, complete. */
  info(): Promise<Wire>;
  /** What GET /version and /_ping need beyond constants. */
  host(): { kernelVersion: string; architecture: string; version: string; gitCommit: string; buildTime: string };
  /** The `Containers` part of GET /system/df. */
  containerUsage(): Promise<Wire[]>;
  readonly events: EventLog;
}
