// Health checks are not there yet: a container that asks for one is refused at create. This is the shape that inspect and list read.
import type { Health } from '../api/types/container.ts';

export interface HealthMonitor {
  readonly status: Health['Status'];
  /** For the Status column: "healthy", "unhealthy" or "health: starting". */
  summary(): string;
  wire(): Health;
  stop(): void;
}
