// `--security-opt`: profiles are read here, because the daemon may be on another machine.
import { readFileSync } from 'node:fs';
import { CliError, messageOf } from '../errors.ts';
import { cut } from './csv.ts';
import { systemReason } from './variables.ts';

const maxProfileBytes = 4 << 20;

export interface SecurityOptions {
  SecurityOpt: string[] | null;
  MaskedPaths: string[] | null;
  ReadonlyPaths: string[] | null;
}

export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  const kept: string[] = [];
  let unmasked = false;
  for (const option of options) {
    // Paths are the client's side of the agreement: empty lists mean none is masked.
    if (option === 'systempaths=unconfined') unmasked = true;
    else kept.push(resolveOption(option));
  }
  return {
    SecurityOpt: options.length > 0 ? kept : null,
    MaskedPaths: unmasked ? [] : null,
    ReadonlyPaths: unmasked ? [] : null,
  };
}

function resolveOption(option: string): string {
  const [key, value] = option.includes('=') ? cut(option, '=') : cut(option, ':');
  if (value === undefined) {
    if (option === 'no-new-privileges') return option;
    throw new CliError(`Invalid --security-opt: ${JSON.stringify(option)}`);
  }
  if (key !== 'seccomp' || value === 'unconfined' || value === 'builtin') return option;
  return `seccomp=${readProfile(value)}`;
}

function readProfile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`opening seccomp profile (${path}) failed: open ${path}: ${systemReason(error)}`);
  }
  if (text.length > maxProfileBytes) throw new CliError(`opening seccomp profile (${path}) failed: larger than 4 MiB`);
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw new CliError(`compacting json for seccomp profile (${path}) failed: ${messageOf(error)}`);
  }
}
