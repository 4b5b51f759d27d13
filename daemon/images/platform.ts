// os/architecture/variant as images say it, in Go's names.
import { arch } from 'node:os';
import { EngineError } from '../errors/engine-error.ts';

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

export function hostPlatform(): Platform {
  const machine = arch();
  if (machine === 'x64') return { os: 'linux', architecture: 'amd64' };
  if (machine === 'arm64') return { os: 'linux', architecture: 'arm64' };
  return { os: 'linux', architecture: machine };
}

/** `os`, `arch` or `os/arch[/variant]`. Throws EngineError 'invalid'. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  const isValid = parts.length <= 3 && parts.every((part) => /^[a-z0-9._-]{1,64}$/.test(part));
  if (!isValid)
    throw new EngineError('invalid', `invalid platform ${JSON.stringify(text)}: use os/architecture/variant`);
  const [first, second, variant] = parts as [string, string?, string?];
  const os = second === undefined && first !== 'linux' ? 'linux' : first;
  if (os !== 'linux')
    throw new EngineError('invalid', `invalid platform ${JSON.stringify(text)}: only linux images run here`);
  const architecture = second ?? (first === 'linux' ? hostPlatform().architecture : first);
  return { os, architecture: goArchitecture(architecture), ...(variant === undefined ? {} : { variant }) };
}

function goArchitecture(name: string): string {
  if (name === 'x86_64' || name === 'x86-64') return 'amd64';
  if (name === 'aarch64') return 'arm64';
  if (name === 'i386') return '386';
  return name;
}

/** Whether an image with this config is what was asked for. A variant that was not asked for does not matter. */
export function platformMatches(wanted: Platform, config: Platform): boolean {
  return (
    wanted.os === config.os &&
    wanted.architecture === goArchitecture(config.architecture) &&
    (wanted.variant === undefined || wanted.variant === config.variant)
  );
}
