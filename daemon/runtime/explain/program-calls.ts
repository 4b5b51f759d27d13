// From a program to the system calls that the launcher's child makes for it, clone3 to execve, in order. Pure.

import type { HostFacts } from '../host-facts.ts';
import type { OpName } from '../program/opcodes.ts';
import type { Op, Program } from '../program/program.ts';
import { type Call, CallTrace } from './call-trace.ts';
import { fileSystemCalls } from './mount-calls.ts';
import { childBegins, processCalls } from './process-calls.ts';

/** What the monitor does on its own, up to clone3: its system calls are its own affair. */
type MonitorsOp = 'log' | 'rundir' | 'stdio' | 'oom' | 'clone3';

/** One entry per operation that the child can run; the compiler misses none. */
const calls: Readonly<Record<Exclude<OpName, MonitorsOp>, (trace: CallTrace, op: Op) => void>> = {
  ...fileSystemCalls,
  ...processCalls,
};

const STDIO_TTY = 1;
const STDIO_STDIN = 2;

export interface ChildCalls {
  /** With the host's mounts in view, up to pivot_root; then in the container's root. */
  outside: Call[];
  inside: Call[];
}

/** `given`: the descriptors that the launcher is started with, by number, and what each is. */
export function childCalls(
  program: Program,
  given: ReadonlyMap<number, string>,
  facts: Pick<HostFacts, 'arch' | 'lastCapability'>,
): ChildCalls {
  const { ops } = program;
  const stdio = Number(ops.find(({ op }) => op === 'stdio')?.args[0] ?? 0);
  const isTerminal = (stdio & STDIO_TTY) !== 0;
  const trace = new CallTrace({ given, hasInput: !isTerminal && (stdio & STDIO_STDIN) !== 0, ...facts });
  // Directories of the engine's: the monitor's alone.
  for (const { op, args } of ops) if (op === 'log' || op === 'rundir') trace.forget(Number(args[0]));
  childBegins(trace, isTerminal);
  let split: number | undefined;
  const first = ops.findIndex(({ op }) => op === 'clone3') + 1;
  for (const [index, op] of ops.entries()) {
    if (index < first || isMonitors(op.op)) continue;
    trace.begin(noteOf(op), index);
    calls[op.op](trace, op);
    if (op.op === 'pivot_root') split = trace.calls.length;
  }
  return { outside: trace.calls.slice(0, split ?? 0), inside: trace.calls.slice(split ?? 0) };
}

function isMonitors(op: OpName): op is MonitorsOp {
  return op === 'log' || op === 'rundir' || op === 'stdio' || op === 'oom' || op === 'clone3';
}

/** What is missing is passed over: then the calls after its lookup are not made. */
function noteOf({ why, ignoreMissing, from }: Op): string {
  return [why, from, ignoreMissing ? 'if it exists' : undefined].filter((text) => text !== undefined).join(', ');
}
