// Who gets which directory of a cache mount, and who waits.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type CacheMountRequest, CacheMounts } from '../../../daemon/build/cache-mounts/cache-mounts.ts';
import { holdTree } from '../../../daemon/jail/hold-tree.ts';
import { Jail } from '../../../daemon/jail/jail.ts';
import { Trash } from '../../../daemon/jail/trash.ts';

const path = mkdtempSync(join(tmpdir(), 'tsd-cache-mounts-'));
const errors: unknown[] = [];
const jail = new Jail(path);
const onError = (error: unknown) => void errors.push(error);
mkdirSync(join(path, 'trash'));
const trash = new Trash(join(path, 'trash'), jail, onError);
const open = () => new CacheMounts({ path: join(path, 'mounts'), jail, trash, onError });
let mounts = open();

afterEach(async () => {
  await mounts.settled();
  mounts.prune(() => true);
  expect(mounts.list()).toEqual([]);
  expect(errors).toEqual([]);
});
afterAll(async () => {
  trash.close();
  await jail.close();
  rmSync(path, { recursive: true, force: true });
});

const never = new AbortController().signal;
function take(more: Partial<CacheMountRequest> = {}, signal = never) {
  const plain = { id: 'a', origin: '', sharing: 'shared', mode: 0o755, uid: 0, gid: 0, description: 'RUN x' } as const;
  return mounts.take({ ...plain, ...more }, signal);
}

describe('a cache mount', () => {
  it('shared: one directory for all, at once', async () => {
    using one = await take();
    expect(one.wasShared).toBe(false);
    using other = await take();
    expect(other.directory).toBe(one.directory);
    expect([one.wasShared, other.wasShared]).toEqual([true, true]);
    other[Symbol.dispose]();
    one[Symbol.dispose]();
    using third = await take();
    expect(third).toMatchObject({ directory: one.directory, wasShared: false });
  });

  it('private: another directory while one is used, the one that was used last when several are free', async () => {
    using one = await take({ sharing: 'private' });
    using other = await take({ sharing: 'private' });
    expect(other.directory).not.toBe(one.directory);
    one[Symbol.dispose]();
    using again = await take({ sharing: 'private' });
    expect(again.directory).toBe(one.directory);
    expect(mounts.list()).toHaveLength(2);
  });

  it('locked: waits for its turn, until nobody wants it any more', async () => {
    using one = await take({ sharing: 'locked' });
    let isThere = false;
    const waiting = take({ sharing: 'locked' }).then((lease) => {
      isThere = true;
      return lease;
    });
    const abort = new AbortController();
    const leaving = take({ sharing: 'locked' }, abort.signal);
    abort.abort(new Error('gone'));
    await expect(leaving).rejects.toThrow('gone');
    expect(isThere).toBe(false);
    one[Symbol.dispose]();
    using other = await waiting;
    expect(other).toMatchObject({ directory: one.directory, wasShared: false });
  });

  it('one that others share is waited for by who wants it alone, and not the other way round', async () => {
    using shared = await take();
    const waiting = take({ sharing: 'locked' });
    shared[Symbol.dispose]();
    using locked = await waiting;
    expect(locked.directory).toBe(shared.directory);
    using second = await take();
    expect(second.directory).not.toBe(locked.directory);
  });

  it('another id, origin, owner or mode is another directory', async () => {
    using one = await take();
    const others = [
      await take({ id: 'b' }),
      await take({ origin: 'x', openContent: () => Promise.resolve(holdTree('/etc/default')) }),
      await take({ uid: 1 }),
      await take({ mode: 0o700 }),
    ];
    expect(new Set([one, ...others].map(({ directory }) => directory)).size).toBe(5);
    const stats = statSync((others[3] as { directory: string }).directory);
    expect(stats.mode & 0o7777).toBe(0o700);
    for (const lease of others) lease[Symbol.dispose]();
  });

  it('whoever comes while it is filled waits, and fills it when that fails', async () => {
    const { promise: content, reject } = Promise.withResolvers<number>();
    const first = take({ origin: 'x', openContent: () => content });
    const second = take({ origin: 'x', openContent: () => Promise.resolve(holdTree('/etc/default')) });
    reject(new Error('no content'));
    await expect(first).rejects.toThrow('no content');
    using lease = await second;
    expect(readdirSync(lease.directory)).toEqual(readdirSync('/etc/default'));
    expect(mounts.list()).toHaveLength(1);
  });

  it('outlives the daemon with what is known of it; what was half made does not', async () => {
    using lease = await take({ description: 'RUN make' });
    writeFileSync(join(lease.directory, 'file'), Buffer.alloc(10_000));
    lease[Symbol.dispose]();
    await mounts.settled();
    const [seen] = mounts.list();
    expect(seen).toMatchObject({ id: 'a', description: 'RUN make', useCount: 1, isInUse: false });
    expect(mounts.usageBytes).toBeGreaterThanOrEqual(10_000);
    for (const [name, text] of [
      ['half', undefined],
      ['damaged', '{"version":1'],
      ['foreign', JSON.stringify({ ...seen, version: 1 })],
      ['newer', JSON.stringify({ ...seen, name: 'newer', version: 2 })],
    ] as const) {
      mkdirSync(join(path, 'mounts', name));
      if (text !== undefined) writeFileSync(join(path, 'mounts', name, 'record.json'), text);
    }
    mounts = open();
    expect(mounts.list()).toEqual([seen]);
    expect(readdirSync(join(path, 'mounts'))).toHaveLength(1);
    using again = await take();
    expect(existsSync(join(again.directory, 'file'))).toBe(true);
  });

  it('is not removed while it is used', async () => {
    using lease = await take();
    expect(mounts.prune(() => true)).toEqual([]);
    lease[Symbol.dispose]();
    await mounts.settled();
    expect(mounts.prune(({ id }) => id === 'b')).toEqual([]);
    expect(mounts.prune(({ id }) => id === 'a')).toHaveLength(1);
    expect(existsSync(lease.directory)).toBe(false);
  });
});
