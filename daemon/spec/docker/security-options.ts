// HostConfig.SecurityOpt: a list of words, each `name`, `name=value` or (older clients) `name:value`.
import { EngineError } from '../../errors/engine-error.ts';
import type { SeccompChoice } from '../container-spec.ts';
import { parseSeccompProfile } from './seccomp-parse.ts';

export interface SecurityOptions {
  noNewPrivileges: boolean;
  systemPathsUnconfined: boolean;
  writableCgroups: boolean;
  seccomp: SeccompChoice;
}

/** Throws 'invalid' in Docker's words for what it does not know, 'not-implemented' for what needs AppArmor or SELinux. */
export function parseSecurityOptions(words: readonly string[]): SecurityOptions {
  const options: SecurityOptions = {
    noNewPrivileges: false,
    systemPathsUnconfined: false,
    writableCgroups: false,
    seccomp: { kind: 'default' },
  };
  for (const word of words) {
    if (word === 'no-new-privileges') {
      options.noNewPrivileges = true;
      continue;
    }
    if (word === 'disable') continue; // What --security-opt label=disable was once.
    const split = /^([^=:]*)[=:](.*)$/s.exec(word);
    if (split === null) throw new EngineError('invalid', `invalid --security-opt 1: "${word}"`);
    const [, name, value = ''] = split;
    switch (name) {
      case 'no-new-privileges':
        options.noNewPrivileges = boolean(word, value);
        break;
      case 'writable-cgroups':
        options.writableCgroups = boolean(word, value);
        break;
      case 'systempaths':
        if (value !== 'unconfined') throw new EngineError('invalid', `invalid --security-opt 2: "${word}"`);
        options.systemPathsUnconfined = true;
        break;
      case 'seccomp':
        if (value === 'unconfined') options.seccomp = { kind: 'unconfined' };
        else if (value === 'builtin' || value === '') options.seccomp = { kind: 'default' };
        else options.seccomp = { kind: 'profile', profile: parseSeccompProfile(value) };
        break;
      case 'apparmor':
        if (value !== 'unconfined') throw missing(`AppArmor profile "${value}"`, 'apparmor=unconfined');
        break;
      case 'label':
        // Without SELinux Docker takes any label and does nothing with it; only `disable` says so honestly.
        if (value !== 'disable') throw missing(`SELinux label "${value}"`, 'label=disable');
        break;
      default:
        throw new EngineError('invalid', `invalid --security-opt 2: "${word}"`);
    }
  }
  return options;
}

function boolean(word: string, value: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw new EngineError('invalid', `invalid --security-opt 2: "${word}"`);
}

function missing(what: string, instead: string): EngineError {
  return new EngineError(
    'not-implemented',
    `${what}: not supported by this engine: leave the option out or use ${instead}`,
  );
}
