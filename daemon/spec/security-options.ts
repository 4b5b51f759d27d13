// HostConfig.SecurityOpt: a list of words, each `name`, `name=value` or (older clients) `name:value`.
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import { parseSeccompProfile } from './seccomp-parse.ts';
import type { SeccompProfile } from './seccomp-rules.ts';

export interface SecurityOptions {
  noNewPrivileges: boolean;
  systemPathsUnconfined: boolean;
  writableCgroups: boolean;
  /** undefined: the default (none for a privileged container). */
  seccomp?: 'unconfined' | SeccompProfile;
}

/** Throws 400 in Docker's words for what it does not know, 501 for what needs AppArmor or SELinux. */
export function securityOptions(hostConfig: HostConfig): SecurityOptions {
  return parse(hostConfig.SecurityOpt ?? []);
}

function parse(words: readonly string[]): SecurityOptions {
  const options: SecurityOptions = { noNewPrivileges: false, systemPathsUnconfined: false, writableCgroups: false };
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
        if (value === 'unconfined') options.seccomp = 'unconfined';
        else if (value === 'builtin' || value === '') delete options.seccomp;
        else options.seccomp = parseSeccompProfile(value);
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
