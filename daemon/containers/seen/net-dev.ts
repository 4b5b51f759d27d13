// /proc/<pid>/net/dev (proc(5)): what went through the interfaces of a process's network namespace.
import { readFileSync } from 'node:fs';

/** Since the interface was made. */
export interface InterfaceCounters {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** By name, without loopback; undefined when there is none, or the process is gone. */
export function readNetDev(pid: number): ReadonlyMap<string, InterfaceCounters> | undefined {
  try {
    return parseNetDev(readFileSync(`/proc/${pid}/net/dev`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** Exported for tests. */
export function parseNetDev(text: string): ReadonlyMap<string, InterfaceCounters> | undefined {
  const found = new Map<string, InterfaceCounters>();
  for (const line of text.split('\n').slice(2)) {
    const at = line.indexOf(':');
    const name = line.slice(0, at).trim();
    if (at < 0 || name === 'lo') continue;
    const n = line
      .slice(at + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const field = (index: number) => n[index] ?? 0;
    found.set(name, {
      rxBytes: field(0),
      rxPackets: field(1),
      rxErrors: field(2),
      rxDropped: field(3),
      txBytes: field(8),
      txPackets: field(9),
      txErrors: field(10),
      txDropped: field(11),
    });
  }
  return found.size === 0 ? undefined : found;
}
