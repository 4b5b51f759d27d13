// ARGs before the first FROM, and those that are there without being declared: what FROM can see, and an ARG without a value in a stage.
import { platformText } from '../../../images/documents/platform.ts';
import { expandWord } from '../../dockerfile/expand.ts';
import type { ArgInstruction, Instruction } from '../../dockerfile/instructions.ts';
import { inLines } from '../in-lines.ts';
import type { WordOptions } from '../instructions/step-context.ts';
import type { BuildPlatform } from '../operation.ts';
import type { PlanOptions } from '../plan.ts';

/** The ARGs before the first FROM. */
export function leadingArgs(instructions: readonly Instruction[]): ArgInstruction[] {
  const args: ArgInstruction[] = [];
  for (const instruction of instructions) {
    if (instruction.kind !== 'ARG') break;
    args.push(instruction);
  }
  return args;
}

/** `targetStage`: the name of the stage that is built. Throws a DockerfileError. */
export function globalArgs(
  args: readonly ArgInstruction[],
  { options, targetStage, words }: { options: PlanOptions; targetStage: string; words: WordOptions },
): Map<string, string> {
  const { buildArgs } = options;
  const values = new Map<string, string>();
  for (const [name, value] of predefinedArgs(options, targetStage)) values.set(name, buildArgs.get(name) ?? value);
  for (const { args: declared, lines } of args) {
    for (const { name, value: initial } of declared) {
      const value =
        buildArgs.get(name) ??
        (initial === undefined ? undefined : inLines(lines, () => expandWord(initial, values, words)));
      if (value !== undefined) values.set(name, value);
    }
  }
  return values;
}

/** What FROM and an ARG without a value can see though nobody has declared it. */
export function predefinedArgs(
  { buildPlatform, targetPlatform = buildPlatform }: Pick<PlanOptions, 'buildPlatform' | 'targetPlatform'>,
  targetStage: string,
): [string, string][] {
  return [
    ...platformArgs('BUILD', buildPlatform),
    ...platformArgs('TARGET', targetPlatform),
    ['TARGETSTAGE', targetStage || 'default'],
  ];
}

/** The name of the stage that is built; empty when it has none. */
export function targetStageOf(instructions: readonly Instruction[], target: string): string {
  if (target !== '') return target;
  const last = instructions.findLast(({ kind }) => kind === 'FROM');
  return last?.kind === 'FROM' ? (last.name ?? '') : '';
}

function platformArgs(prefix: 'BUILD' | 'TARGET', platform: BuildPlatform): [string, string][] {
  return [
    [`${prefix}PLATFORM`, platformText(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
}

const PROXIES: ReadonlySet<string> = new Set(['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY']);

/** Whether a build asks for it without any ARG. */
export function isPredefinedArg(name: string): boolean {
  return (
    PROXIES.has(name.toUpperCase()) ||
    name.startsWith('BUILDKIT_') ||
    name === 'SOURCE_DATE_EPOCH' ||
    predefinedNames.has(name)
  );
}

const predefinedNames: ReadonlySet<string> = new Set(
  ['BUILD', 'TARGET'].flatMap((prefix) =>
    ['PLATFORM', 'OS', 'OSVERSION', 'ARCH', 'VARIANT'].map((name) => prefix + name),
  ),
);
