// What the API may ask about the host and the engine as a whole.
import type { SystemInfo } from '../docker-types/system.ts';
import type { EventLog } from '../state/event-log.ts';
import type { ListedContainer } from './seen/seen-container.ts';

export interface UsedContainer extends ListedContainer {
  /** What it takes of the disk, its logs included; undefined: it was removed meanwhile. */
  readonly usedBytes: number | undefined;
}

export interface SystemService {
  /** Docker's GET /info, complete. */
  info(): Promise<SystemInfo>;
  /** What GET /version and /_ping need beyond constants. */
  host(): { kernelVersion: string; architecture: string; version: string; gitCommit: string; buildTime: string };
  /** All containers, newest first, and what each takes of the disk. */
  containerUsage(): Promise<UsedContainer[]>;
  readonly events: EventLog;
}
