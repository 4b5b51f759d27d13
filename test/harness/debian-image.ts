// The root file system of a minimal Debian as a tar, for tests of real packages: made by debootstrap once, and kept.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { debianMirror } from './fresh-base.ts';
import type { Need } from './needs.ts';
import { builtFixturesDir } from './paths.ts';

const kept = `${builtFixturesDir}/debian.tar`;

/** What debianTar needs of the host. */
export function debianNeeds(): Need[] {
  return existsSync(kept) ? [] : ['debootstrap', 'a Debian mirror'];
}

/** The path of the tar. Its apt has the mirror of this machine's. */
export function debianTar(): string {
  if (existsSync(kept)) return kept;
  const dir = mkdtempSync('/tmp/tsdt-debian-');
  try {
    const options = { stdio: 'ignore', timeout: 240_000 } as const;
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', `${dir}/fs`, debianMirror()], options);
    execFileSync('tar', ['-C', `${dir}/fs`, '--one-file-system', '--xattrs', '-cf', `${kept}.part`, '.']);
    renameSync(`${kept}.part`, kept);
    return kept;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
