// The health of a running container, in the directory of its run: the next daemon goes on from there. Results come often, and the directory is
// in memory: the database has them when the run ends.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HealthResult, HealthState } from './health-rules.ts';

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
    if (!isKnown || !Number.isInteger(health.failingStreak) || !Array.isArray(health.log)) return undefined;
    return health.log.every(isResult) ? health : undefined;
  } catch {
    return undefined;
  }
}

function isResult(value: unknown): value is HealthResult {
  if (typeof value !== 'object' || value === null) return false;
  const { startNs, endNs, exitCode, output } = value as Partial<Record<keyof HealthResult, unknown>>;
  const isTime = (time: unknown) => typeof time === 'string' && /^\d{1,19}$/.test(time);
  return isTime(startNs) && isTime(endNs) && Number.isInteger(exitCode) && typeof output === 'string';
}
