// `tsdocker explain`: what a container really is, in text: its OCI spec, its control groups, its layers, and every system call that its
// process makes from clone3 to execve, in order. Pure.
import { CLONE } from '../../../native-bindings/constants.ts';
import { decodeFlags } from '../../../native-bindings/flags.ts';
import type { HostFacts } from '../host-facts.ts';
import type { OciSpec } from '../oci-spec.ts';
import type { GivenDescriptor, PlannedProgram } from '../program/container-program.ts';
import type { Op } from '../program/program.ts';
import type { Call } from './call-trace.ts';
import { bytesWords, quote } from './call-words.ts';
import { childCalls } from './program-calls.ts';

export interface ExplainInput extends PlannedProgram {
  /** First line: the command, or the name of the container. */
  title: string;
  /** What is made and written to set the control groups up, in order. */
  cgroup: readonly ({ directory: string } | { file: string; value: string })[];
  /** Directories of the overlay, lowest first; the last is the container's own. */
  layers: readonly string[];
  /** The calls that mount them. */
  root: readonly string[];
  /** What is done to the host's network, in order. */
  network: readonly string[];
  /** What this host makes different from what was asked. */
  warnings: readonly string[];
  facts: Pick<HostFacts, 'arch' | 'lastCapability'>;
}

export function explain(input: ExplainInput): string {
  const { program, given } = input;
  const names = new Map([...given].map(([number, { name }]) => [number, name]));
  const { outside, inside } = childCalls(program, names, input.facts);
  const all = [...outside, ...inside];
  const total = all.reduce((sum, { times }) => sum + times, 0);
  const tried = all.filter(({ text }) => text.startsWith('execve(')).length;
  const atMost = tried > 1 ? ' (fewer when the command is in an earlier place)' : '';
  const sections: [string, readonly string[]][] = [
    [`The OCI runtime spec (${input.spec.ociVersion})`, specLines(input.spec)],
    ['Layers of the root file system, lowest first', input.layers],
    ['The engine, network', input.network],
    ['The engine, control groups: each write is openat, write, close', input.cgroup.map(cgroupLine)],
    ['The engine, root file system: a mount that is in no directory', input.root],
    ['The engine, descriptors for the launcher', [...given].map(givenLine)],
    [
      'The launcher, which stays as the monitor: what it is told, and how it makes the child',
      monitorLines(program.ops),
    ],
    ["The child, with the host's mounts in view", callLines(outside)],
    ["The child, in the container's root", callLines(inside)],
    ['', [`${total} system calls from clone3 to execve, in ${all.length} rows${atMost}`]],
    ['Warnings', input.warnings],
  ];
  const text = [input.title];
  for (const [heading, lines] of sections) {
    if (lines.length > 0) text.push('', ...(heading === '' ? [] : [heading]), ...lines.map((line) => `  ${line}`));
  }
  return `${text.join('\n')}\n`;
}

function cgroupLine(step: ExplainInput['cgroup'][number]): string {
  return 'directory' in step
    ? `mkdir(${quote(step.directory)}, 0755)`
    : `write(${quote(step.file)}, ${quote(step.value.trim())})`;
}

function givenLine([number, { name, call }]: readonly [number, GivenDescriptor]): string {
  return call === undefined ? `${number}  ${name}` : `${number}  ${call}  # ${name}`;
}

/** The operations that are no system calls are told in words; clone3 is the one that makes the child. */
function monitorLines(ops: readonly Op[]): string[] {
  return ops.slice(0, ops.findIndex(({ op }) => op === 'clone3') + 1).map(({ op, args }) => {
    const [a, b, c, d] = args;
    if (op === 'log') return `the log: in ${a}, from log.${b} on, ${d} files of at most ${c} bytes`;
    if (op === 'rundir') return `control socket, start and exit records: in ${a}`;
    if (op === 'stdio') return `streams: ${streams(Number(a))}`;
    if (op === 'oom') return `when the run is over, "${b}" is read from ${a}`;
    if (op === 'write') return `openat2, write, close: ${bytesWords(args[3] ?? '')} to ${b}`;
    const cgroup = Number(b) < 0 ? '' : `|CLONE_INTO_CGROUP, cgroup=${b}`;
    const flags = `${decodeFlags('CLONE', CLONE, Number(a))}${cgroup}`;
    return op === 'clone3' ? `clone3({flags=${flags}, exit_signal=SIGCHLD}, 88)` : `${op}`;
  });
}

function streams(flags: number): string {
  if (flags & 1) return 'a terminal';
  return flags & 2 ? 'three pipes' : 'pipes for output and errors, the null device for input';
}

/** The number is that of the launcher's operation, as errors name it. */
function callLines(calls: readonly Call[]): string[] {
  return calls.map(({ text, times, note, operation }) => {
    const number = `${operation ?? ''}`.padStart(4);
    const loop = times > 1 ? `  × ${times}` : '';
    return `${number}  ${text}${loop}${note === '' ? '' : `  # ${note}`}`;
  });
}

/** JSON, except that a filter of hundreds of system calls is only counted. */
function specLines(spec: OciSpec): string[] {
  const { seccomp, ...linux } = spec.linux;
  const shown = {
    ...spec,
    linux: {
      ...linux,
      ...(seccomp && {
        seccomp: {
          defaultAction: seccomp.defaultAction,
          architectures: seccomp.architectures,
          syscalls: `${seccomp.syscalls.length} rules for ${new Set(seccomp.syscalls.flatMap(({ names }) => names)).size} system calls`,
        },
      }),
    },
  };
  return compactJson(shown, '').split('\n');
}

const MAX_LINE = 100;

/** JSON with short objects and lists on one line. */
function compactJson(value: unknown, indent: string): string {
  const flat = JSON.stringify(value);
  if (typeof value !== 'object' || value === null || flat.length + indent.length <= MAX_LINE) return flat ?? 'null';
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    return `[\n${value.map((item) => inner + compactJson(item, inner)).join(',\n')}\n${indent}]`;
  }
  const lines = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .map(([key, item]) => `${inner}${JSON.stringify(key)}: ${compactJson(item, inner)}`);
  return `{\n${lines.join(',\n')}\n${indent}}`;
}
