// What a jail leaves open on the host, and what it can open in a container.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { holdTree } from '../../../daemon/jail/hold-tree.ts';
import { testNeeding } from '../../harness/needs.ts';
import { JailFixture } from './jail-fixture.ts';

const fixture = new JailFixture();
afterAll(() => fixture.close());

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

function statRoot(): Promise<unknown> {
  const fd = holdTree(fixture.root);
  return fixture.jail.run<'stat'>({ do: 'stat', place: { kind: 'tree', rootFd: fd, mounts: [] }, path: '/' }, [fd]);
}

describe('a jail', () => {
  test('whose worker has ended holds no file open', async () => {
    await statRoot();
    await fixture.jail.close();
    const { Jail } = await import('../../../daemon/jail/jail.ts');
    const count = () => openFiles().filter((name) => name === '/').length;
    const before = count();
    for (let round = 0; round < 3; round++) {
      const jail = new Jail();
      const fd = holdTree(fixture.root);
      await jail.run<'stat'>({ do: 'stat', place: { kind: 'tree', rootFd: fd, mounts: [] }, path: '/' }, [fd]);
      await jail.close();
    }
    expect(count()).toBe(before);
  });

  testNeeding('immutable files')('empties a directory although a file in it cannot go', async () => {
    const { Jail } = await import('../../../daemon/jail/jail.ts');
    const full = join(fixture.path, 'full');
    mkdirSync(join(full, 'b'), { recursive: true });
    for (const name of ['a', 'b/kept', 'b/gone', 'c']) writeFileSync(join(full, name), '');
    execFileSync('chattr', ['+i', join(full, 'b/kept')]);
    const jail = new Jail();
    try {
      const fd = holdTree(full);
      const job = jail.run<'empty'>({ do: 'empty', place: { kind: 'tree', rootFd: fd, mounts: [] } }, [fd]);
      expect(await job).toEqual([{ name: 'b', reason: expect.stringMatching(/^unlink "b\/kept": EPERM$/) }]);
      expect(readdirSync(full, { recursive: true })).toEqual(['b', 'b/kept']);
    } finally {
      execFileSync('chattr', ['-i', join(full, 'b/kept')]);
      await jail.close();
    }
  });

  test('keeps workers for short jobs, however many streams begin at once', async () => {
    const { Jail } = await import('../../../daemon/jail/jail.ts');
    writeFileSync(join(fixture.root, 'large'), Buffer.alloc(8 << 20));
    const jail = new Jail();
    try {
      const streams = Array.from({ length: 20 }, () => {
        const fd = holdTree(fixture.root);
        return jail.stream({ do: 'get', place: { kind: 'tree', rootFd: fd, mounts: [] }, path: '/large' }, [fd]);
      });
      const waiting = Promise.allSettled(streams);
      await Promise.all(streams.slice(0, 4));
      const fd = holdTree(fixture.root);
      const job = { do: 'stat', place: { kind: 'tree', rootFd: fd, mounts: [] }, path: '/large' } as const;
      expect(await jail.run<'stat'>(job, [fd])).toMatchObject({ size: 8 << 20 });
      await jail.close();
      await waiting;
    } finally {
      await jail.close();
    }
  }, 15_000);

  test('can open no device of a mount that it is given', async () => {
    const { Jail } = await import('../../../daemon/jail/jail.ts');
    const jail = new Jail();
    mkdirSync(join(fixture.root, 'mnt'));
    const big = join(fixture.path, 'bound');
    mkdirSync(big);
    writeFileSync(join(big, 'file'), Buffer.alloc(16 << 20));
    const rootFd = holdTree(fixture.root);
    const fd = holdTree(big);
    const place = { kind: 'tree', rootFd, mounts: [{ fd, target: '/mnt' }] } as const;
    const { tar } = await jail.stream({ do: 'get', place, path: '/mnt/file' }, [rootFd, fd]);
    const mounts = readdirSync('/proc/self/task').flatMap((task) =>
      readFileSync(`/proc/self/task/${task}/mountinfo`, 'utf8')
        .split('\n')
        .filter((line) => line.includes(' /mnt ')),
    );
    expect(mounts).toHaveLength(1);
    expect(mounts[0]).toContain('nodev');
    tar.destroy();
    await jail.close();
  });
});
