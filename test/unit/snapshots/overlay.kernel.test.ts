// Detached overlay mounts, in the form for new kernels and in the one for old ones (which new ones take as well).
import { closeSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { holdTree } from '../../../daemon/jail/hold-tree.ts';
import { mountLayers, mountOverlay, mountOverlayByNames, type OverlayDirs } from '../../../daemon/snapshots/overlay.ts';
import { fchdir } from '../../../native-bindings/namespaces.ts';

const path = mkdtempSync(join(tmpdir(), 'tsdocker-overlay-'));
afterAll(() => rmSync(path, { recursive: true, force: true }));

function layers(name: string, count: number): string[] {
  mkdirSync(join(path, name));
  return Array.from({ length: count }, (_, i) => {
    const layer = join(path, name, String(i));
    mkdirSync(layer);
    writeFileSync(join(layer, 'which'), `${i}`);
    writeFileSync(join(layer, `only-${i}`), '');
    return layer;
  });
}

function inside<T>(fd: number, work: () => T): T {
  const home = process.cwd();
  try {
    fchdir(fd);
    return work();
  } finally {
    process.chdir(home);
    closeSync(fd);
  }
}

const forms: [string, (dirs: OverlayDirs) => number][] = [
  ['in parts', mountOverlay],
  ['by names', mountOverlayByNames],
];

describe.each(forms)('layers %s', (form, mount) => {
  test('the first is the highest, and as many fit as an image may have', () => {
    const lower = layers(`many ${form}: , \\`, 127);
    const home = process.cwd();
    const names = inside(mount({ lower }), () => [readFileSync('which', 'utf8'), readdirSync('.').length]);
    expect(names).toEqual(['0', 128]);
    expect(process.cwd()).toBe(home);
  });

  test('what is written goes to the upper directory only, and nothing is mounted on the host', () => {
    const lower = layers(`written ${form}`, 2);
    const [upper, work] = ['upper', 'work'].map((name) => join(path, `written ${form}`, name)) as [string, string];
    for (const directory of [upper, work]) mkdirSync(directory);
    const fd = mount({ lower, upper, work });
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(path);
    inside(fd, () => writeFileSync('new', 'x'));
    expect(readdirSync(upper)).toEqual(['new']);
    expect(readdirSync(lower[0] as string).sort()).toEqual(['only-0', 'which']);
  });

  test('a missing layer is an error that names it, and nothing stays open', () => {
    const open = readdirSync('/proc/self/fd').length;
    expect(() => mount({ lower: [join(path, 'missing'), join(path, 'too')] })).toThrow(/ENOENT/);
    expect(readdirSync('/proc/self/fd').length).toBe(open);
  });
});

test('too many for one value of an old kernel is told', () => {
  const lower = Array.from({ length: 200 }, (_, i) => join(path, `${'x'.repeat(50)}${i}`));
  expect(() => mountOverlayByNames({ lower })).toThrow(/use Linux 6.7/);
});

test('one layer alone is no overlay', () => {
  const [only] = layers('single', 1) as [string];
  expect(inside(mountLayers([only]), () => readdirSync('.').sort())).toEqual(['only-0', 'which']);
  expect(inside(holdTree(only), () => readFileSync('which', 'utf8'))).toBe('0');
});

test('a path that is too long for the kernel is told', () => {
  expect(() => mountOverlay({ lower: [`/${'x'.repeat(300)}`] })).toThrow(/choose a shorter data root/);
});
