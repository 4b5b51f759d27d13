// Builds what the tests put into containers: static C programs and the image's tar. Everything is made from this host's files.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { builtFixturesDir, fixturesDir, projectRoot } from './paths.ts';

export type FixtureProgram = 'probe' | 'racer' | 'pty' | 'mute-fuse' | 'refuse' | 'peer' | 'stream' | 'many';

function isNewer(product: string, ...sources: string[]): boolean {
  if (!existsSync(product)) return false;
  const made = statSync(product).mtimeMs;
  return sources.every((source) => statSync(source).mtimeMs < made);
}

/** The path of the static binary of test/fixtures/NAME.c. */
export function fixtureProgram(name: FixtureProgram): string {
  const source = `${fixturesDir}/${name}.c`;
  const product = `${builtFixturesDir}/${name}`;
  if (!isNewer(product, source)) {
    const aside = `${product}.${process.pid}`;
    const compiler = process.env.CC ?? 'cc';
    execFileSync(compiler, ['-static', '-O1', '-Wall', '-Wextra', '-Werror', '-o', aside, source], {
      stdio: 'inherit',
    });
    renameSync(aside, product);
  }
  return product;
}

/** A root file system tar with a shell and /bin/probe, /bin/racer; `busybox` in the tests. */
export function busyboxTar(): string {
  const product = `${builtFixturesDir}/busybox.tar`;
  const probe = fixtureProgram('probe');
  const racer = fixtureProgram('racer');
  const maker = `${projectRoot}scripts/make-image`;
  if (!isNewer(product, probe, racer, maker)) {
    const dir = mkdtempSync(`${builtFixturesDir}/image-`);
    try {
      const tar = `${dir}/image.tar`;
      execFileSync(maker, [tar]);
      execFileSync('mkdir', ['-p', `${dir}/fs/bin`]);
      execFileSync('cp', [probe, racer, `${dir}/fs/bin/`]);
      execFileSync('tar', ['-C', `${dir}/fs`, '--owner=0', '--group=0', '-rf', tar, './bin/probe', './bin/racer']);
      renameSync(tar, product);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  return product;
}

/** The same with /bin/peer and /bin/stream, for tests of networks. */
export function networkToolsTar(): string {
  const product = `${builtFixturesDir}/network-tools.tar`;
  const tools = [fixtureProgram('peer'), fixtureProgram('stream')];
  const base = busyboxTar();
  if (!isNewer(product, base, ...tools)) {
    const dir = mkdtempSync(`${builtFixturesDir}/image-`);
    try {
      execFileSync('cp', [base, `${dir}/image.tar`]);
      execFileSync('mkdir', ['-p', `${dir}/fs/bin`]);
      execFileSync('cp', [...tools, `${dir}/fs/bin/`]);
      const files = ['./bin/peer', './bin/stream'];
      execFileSync('tar', ['-C', `${dir}/fs`, '--owner=0', '--group=0', '-rf', `${dir}/image.tar`, ...files]);
      renameSync(`${dir}/image.tar`, product);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  return product;
}
