// Deleting what somebody else made, of any shape, in memory that does not depend on it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { holdTree } from '../../../daemon/jail/hold-tree.ts';
import { Trash } from '../../../daemon/jail/trash.ts';
import { testNeeding } from '../../harness/needs.ts';
import { JailFixture } from './jail-fixture.ts';
import { SmallDisk } from './many-entries.ts';

const fixture = new JailFixture();
beforeEach(() => fixture.clear());
afterAll(() => fixture.close());

async function empty(passOver: readonly string[] = [], path = fixture.root) {
  const fd = holdTree(path);
  const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
  return fixture.jail.run<'empty'>({ do: 'empty', place, passOver }, [fd]);
}

test.each([
  { shape: 'names', what: 'long names in one directory' },
  { shape: 'dirs', what: 'directories in one directory' },
  { shape: 'chain', what: 'directories, each in the one before' },
] as const)('100,000 $what go in constant memory', async ({ shape }) => {
  using disk = new SmallDisk(join(fixture.path, 'disk'));
  disk.grow(shape, 'first', 1000);
  await empty([], disk.path);
  disk.grow(shape, 'd', 100_000);
  const before = process.memoryUsage().rss;
  expect(await empty([], disk.path)).toEqual([]);
  expect(readdirSync(disk.path)).toEqual([]);
  expect(process.memoryUsage().rss - before).toBeLessThan(20e6);
});

test('names of any bytes and of 255 bytes go', async () => {
  const names = ['\xff\xfe', 'x'.repeat(255), 'new\nline', ' ', '\u00fc'.repeat(127)];
  for (const name of names) {
    const bytes = Buffer.from(name, name.includes('\xff') ? 'latin1' : 'utf8');
    mkdirSync(Buffer.concat([Buffer.from(`${fixture.root}/`), bytes]));
    writeFileSync(Buffer.concat([Buffer.from(`${fixture.root}/`), bytes, Buffer.from('/'), bytes]), '');
  }
  expect(await empty()).toEqual([]);
  expect(readdirSync(fixture.root)).toEqual([]);
});

test('what is passed over stays, with all that is below it', async () => {
  for (const name of ['a', 'b']) {
    mkdirSync(join(fixture.root, name));
    writeFileSync(join(fixture.root, name, 'file'), '');
  }
  expect(await empty(['b'])).toEqual([]);
  expect(readdirSync(fixture.root, { recursive: true })).toEqual(['b', 'b/file']);
});

testNeeding('immutable files')(
  'what cannot be deleted is told once, keeps nothing else, and is not tried for ever',
  async () => {
    const path = join(fixture.path, 'trash');
    mkdirSync(path);
    const told: string[] = [];
    const retriesMs = [150, 150];
    const trash = new Trash(path, fixture.jail, (error) => told.push((error as Error).message), retriesMs);
    const kept = join(fixture.root, 'kept');
    mkdirSync(join(kept, 'd/e'), { recursive: true });
    for (const name of ['d/e/immutable', 'd/e/other', 'd/x', 'y']) writeFileSync(join(kept, name), '');
    execFileSync('chattr', ['+i', join(kept, 'd/e/immutable')]);
    try {
      trash.discard(kept);
      await trash.empty();
      const [name] = readdirSync(path);
      expect(readdirSync(path, { recursive: true })).toHaveLength(4);
      expect(told).toEqual([expect.stringMatching(`^delete ${join(path, name as string)}: .*d/e/immutable.*EPERM`)]);
      // While it waits, others go.
      writeFileSync(join(fixture.root, 'other'), '');
      trash.discard(join(fixture.root, 'other'));
      await trash.empty();
      expect(readdirSync(path)).toEqual([name]);
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(told).toHaveLength(1);
      // Its last try is over: nothing but the next start tries again.
      execFileSync('chattr', ['-i', join(path, name as string, 'd/e/immutable')]);
      await trash.empty();
      expect(existsSync(join(path, name as string))).toBe(true);
      const next = new Trash(path, fixture.jail, () => undefined);
      await next.empty();
      expect(readdirSync(path)).toEqual([]);
      next.close();
    } finally {
      execFileSync('chattr', ['-R', '-i', path]);
      trash.close();
      rmSync(path, { recursive: true, force: true });
    }
  },
);
