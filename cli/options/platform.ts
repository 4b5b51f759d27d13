// `--platform os/arch/variant`: the flag, its check, and the JSON object that image routes take.

import { stringFlag } from '../../daemon/protocols/flags/flag.ts';
import { CliError } from '../errors.ts';

/** For commands whose platform DOCKER_DEFAULT_PLATFORM chooses. */
export const platformFlag = () =>
  stringFlag('platform', 'Set platform if server is multi-platform capable', {
    initial: process.env.DOCKER_DEFAULT_PLATFORM ?? '',
  });

const single = new Set(
  `aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos macos
386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc riscv riscv64
s390 s390x sparc sparc64 wasm x86_64 x86-64 aarch64 armhf armel i386`.split(/\s+/),
);

/** As docker's client checks before it asks: of one word alone it must be known what it is. */
export function checkPlatform(text: string): void {
  if (text === '') return;
  const parts = text.split('/');
  const quoted = JSON.stringify(text);
  const fail = (why: string) => new CliError(`error parsing specified platform: ${why}: invalid argument`);
  const wrong = parts.find((part) => !/^[A-Za-z0-9_.-]+(?:\([A-Za-z0-9_.-]*\))?$/.test(part));
  if (wrong !== undefined) throw fail(`${JSON.stringify(wrong)} is an invalid component of ${quoted}`);
  if (parts.length > 3) throw fail(`${quoted}: cannot parse platform specifier`);
  if (parts.length === 1 && !single.has(text.toLowerCase()))
    throw fail(`${quoted}: unknown operating system or architecture`);
}

/** Undefined when nothing was asked for. */
export function platformJson(text: string): string | undefined {
  if (text === '') return undefined;
  const match = /^([a-z0-9]+)(?:\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?)?$/i.exec(text);
  if (!match) throw new CliError(`invalid platform: ${JSON.stringify(text)}: want os[/arch[/variant]]`);
  const [, first = '', second, variant] = match;
  const platform =
    second === undefined && first.toLowerCase() !== 'linux'
      ? { architecture: first.toLowerCase(), os: 'linux' }
      : { architecture: second?.toLowerCase() ?? '', os: first.toLowerCase() };
  return JSON.stringify(variant === undefined ? platform : { ...platform, variant });
}
