// The health of a running container, in the directory of its run: the next daemon goes on from there. Results come often, and the directory is
// in memory: the database has them when the run ends.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HealthState } from './health-rules.ts';

const fileName = 'health.json';

export function writeHealthFile(runDir: string, health: HealthState): void {
  const path = join(runDir, fileName);
  try {
    writeFileSync(`${path}.new`, JSON.stringify(health), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    // The run has ended, and its directory is gone.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** undefined when there is none, or none that can be read. */
export function readHealthFile(runDir: string): HealthState | undefined {
  try {
    const health = JSON.parse(readFileSync(join(runDir, fileName), 'utf8')) as HealthState;
    const isKnown = ['starting', 'healthy', 'unhealthy'].includes(health.status);
    return isKnown && Number.isInteger(health.failingStreak) && Array.isArray(health.log) ? health : undefined;
  } catch {
    return undefined;
  }
}
