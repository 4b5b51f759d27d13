// How fast this machine is: what tests bound is work, in milliseconds of the machine on which the bounds were chosen.

const labels = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`label.${i}`, '']));
/** It is counted from one tick of the kernel to another: what is measured has to take some of them. */
const ROUNDS = 25;
/** Of them, there. */
const USUAL_MS = 55;

/** What this thread works for it, in milliseconds of a processor. */
export function workMs(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

/** How long this machine takes now for what takes that one a millisecond. */
export function usualMs(): number {
  const work = () => {
    for (let i = 0; i < ROUNDS; i++) jsonTwice(labels);
  };
  return workMs(work) / USUAL_MS;
}

/** To JSON and back: no more is done to much of what comes to the daemon and goes from it. */
export function jsonTwice(value: unknown): void {
  JSON.parse(JSON.stringify(value));
}
