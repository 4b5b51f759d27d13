// Pressure stall information of a group (cgroup v2): how much of the time its processes waited for processor, memory or disk.
import type { Pressure, PressureShares, PressureStats } from '../docker-types/stats.ts';

const resources = ['cpu', 'memory', 'io'] as const;

/** From the files cpu.pressure, memory.pressure and io.pressure (Documentation/accounting/psi.rst). undefined: the kernel counts none. */
export function readPressure(read: (name: string) => string | undefined): PressureStats | undefined {
  const found: PressureStats = {};
  for (const resource of resources) {
    const pressure = parsePressure(read(`${resource}.pressure`));
    if (pressure !== undefined) found[resource] = pressure;
  }
  return Object.keys(found).length === 0 ? undefined : found;
}

/** Lines `some avg10=0.00 avg60=0.12 avg300=0.05 total=1234`; the second, `full`, is not there for every resource. */
export function parsePressure(text: string | undefined): Pressure | undefined {
  const shares = new Map<string, PressureShares>();
  for (const [, kind = '', avg10, avg60, avg300, total] of (text ?? '').matchAll(
    /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/gm,
  )) {
    shares.set(kind, {
      avg10: Number(avg10),
      avg60: Number(avg60),
      avg300: Number(avg300),
      total_us: Number(total),
    });
  }
  const [some, full] = [shares.get('some'), shares.get('full')];
  return some && { some, ...(full === undefined ? {} : { full }) };
}
