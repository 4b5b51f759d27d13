// Gives memory back when the daemon has been busy and now is not: what an import or a flood of requests needed is not kept for the next one.
import { performance } from 'node:perf_hooks';
import { returnFreeMemory } from '../native-bindings/memory.ts';

export interface IdleMemoryRules {
  /** How often to look. */
  lookMs: number;
  /** Share of the time that the event loop may be at work in a quiet moment: 0 to 1. */
  quietShare: number;
  /** Work, in milliseconds, that is worth a collection afterwards. */
  worthMs: number;
}

const defaults: IdleMemoryRules = { lookMs: 5000, quietShare: 0.02, worthMs: 100 };

/** Looks every few seconds, without keeping the process alive; ends when disposed. */
export function watchIdleMemory(collect: () => void = returnFreeMemory, rules = defaults): Disposable {
  let last = performance.eventLoopUtilization();
  let busyMs = 0;
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { active, utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    busyMs += active;
    if (utilization > rules.quietShare || busyMs < rules.worthMs) return;
    busyMs = 0;
    collect();
    // What the collection itself took is no work.
    last = performance.eventLoopUtilization();
  }, rules.lookMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
