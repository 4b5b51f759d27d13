// How long the daemon took for something, without what is the machine's doing: how long its main thread and this process's waited for a processor,
// and the one of V8's threads that waited longest, since the main thread waits for them when they collect together. It is never less than the
// main thread worked.
import { readdirSync, readFileSync } from 'node:fs';

/** `begin` gives what to call at the end, for the milliseconds. `pid` may be this process. */
export function answerClock(pid: number): { begin(): () => number } {
  const helpers = helpersOf(pid);
  return { begin: () => beginAt([...new Set([pid, process.pid])].map(mainOf), helpers, mainOf(pid)) };
}

/** For a daemon that is started meanwhile: the result is called with its pid. */
export function startClock(): (pid: number) => number {
  const at = performance.now();
  const before = scheduleOf(mainOf(process.pid)).waitedMs;
  return (pid) => {
    const main = scheduleOf(mainOf(pid));
    const helpers = helpersOf(pid).map((thread) => scheduleOf(thread).waitedMs);
    const waitedMs = scheduleOf(mainOf(process.pid)).waitedMs - before + main.waitedMs + Math.max(0, ...helpers);
    return Math.max(performance.now() - at - waitedMs, main.workedMs);
  };
}

function beginAt(mains: readonly string[], helpers: readonly string[], worker: string): () => number {
  const at = performance.now();
  const since = (threads: readonly string[], of: (schedule: Schedule) => number) => {
    const before = threads.map((thread) => of(scheduleOf(thread)));
    return () => threads.map((thread, i) => of(scheduleOf(thread)) - (before[i] as number));
  };
  const main = since(mains, ({ waitedMs }) => waitedMs);
  const helper = since(helpers, ({ waitedMs }) => waitedMs);
  const worked = since([worker], ({ workedMs }) => workedMs);
  return () => {
    const tookMs = performance.now() - at - main().reduce((sum, ms) => sum + ms, 0) - Math.max(0, ...helper());
    return Math.max(tookMs, ...worked());
  };
}

function mainOf(pid: number): string {
  return `${pid}/task/${pid}`;
}

function helpersOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => `${pid}/task/${task}`)
    .filter((thread) => readFileSync(`/proc/${thread}/comm`, 'latin1') === 'V8Worker\n');
}

interface Schedule {
  workedMs: number;
  /** For a processor. */
  waitedMs: number;
}

/** Of a thread's life (/proc/PID/schedstat). */
function scheduleOf(thread: string): Schedule {
  const [worked, waited] = readFileSync(`/proc/${thread}/schedstat`, 'latin1').split(' ');
  return { workedMs: Number(worked) / 1e6, waitedMs: Number(waited) / 1e6 };
}
