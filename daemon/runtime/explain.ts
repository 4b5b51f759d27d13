// `tsdocker explain`: what a container really is, in text: its OCI spec, its control groups, its layers, and every system call between
// clone3 and execve in order. Pure.
import { disassemble } from './disassemble.ts';
import type { OciSpec } from './oci-spec.ts';
import type { Program } from './program.ts';

export interface ExplainInput {
  /** First line: the command, or the name of the container. */
  title: string;
  spec: OciSpec;
  program: Program;
  /** Files that are written to set the control groups up, in order. */
  cgroup: readonly { file: string; value: string }[];
  /** Directories of the overlay, lowest first; the last is the container's own. */
  layers: readonly string[];
  /** What is done to the host's network, in order. */
  network: readonly string[];
  /** What this host makes different from what was asked. */
  warnings: readonly string[];
}

export function explain(input: ExplainInput): string {
  const sections: [string, readonly string[]][] = [
    [`The OCI runtime spec (${input.spec.ociVersion})`, specLines(input.spec)],
    ['Layers of the root file system, lowest first', input.layers],
    ['Control groups: files written by the engine', input.cgroup.map(({ file, value }) => `${file} = ${value.trim()}`)],
    ['Network', input.network],
    ...programSections(input.program),
    ['Warnings', input.warnings],
  ];
  const text = [input.title];
  for (const [heading, lines] of sections) {
    if (lines.length > 0) text.push('', heading, ...lines.map((line) => `  ${line}`));
  }
  return `${text.join('\n')}\n`;
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

function programSections(program: Program): [string, readonly string[]][] {
  const lines = disassemble(program);
  const split = program.ops.findIndex(({ op }) => op === 'clone3') + 1;
  const pivot = program.ops.findIndex(({ op }) => op === 'pivot_root') + 1;
  const width = String(lines.length).length;
  const numbered = lines.map((line, index) => `${String(index).padStart(width)}  ${line}`);
  return [
    ['The monitor, a process of the engine', numbered.slice(0, split)],
    ['The child, with the host still in view', numbered.slice(split, pivot)],
    ["The child, in the container's root", numbered.slice(pivot)],
  ];
}
