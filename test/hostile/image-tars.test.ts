// Archives made to write outside of their tree: imported as images, put with cp. Each is refused or confined; the host is compared after each.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { answerClock } from '../harness/answer-clock.ts';
import { create, run } from '../harness/containers.ts';
import { residentBytes } from '../harness/ledger.ts';
import { usualMs } from '../harness/pace.ts';
import { readTar, type TarEntry, tarOf } from '../harness/tars.ts';
import { Tripwire } from '../harness/tripwire.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let wire: Tripwire;
let pid = 0;
beforeAll(() => {
  wire = new Tripwire();
  pid = fixture.daemon.pid;
});
afterEach(() => {
  wire.check();
  expect(fixture.daemon.pid).toBe(pid);
});
afterAll(() => wire.remove());

const up = '../'.repeat(12);

function attacks(tw: string): Record<string, TarEntry[]> {
  const toHost = `${up}${tw.slice(1)}`;
  return {
    'parent in a name': [{ name: `${toHost}/new`, data: 'x' }],
    'absolute with parents': [{ name: `/..${tw}/new`, data: 'x' }],
    'parents inside a name': [{ name: `a/b/../../${toHost}/new`, data: 'x' }],
    'the name ..': [{ name: '..', type: 'directory', mode: 0o777 }],
    'the name .': [{ name: '.', type: 'directory', mode: 0o755 }],
    'an empty name': [{ name: '', data: 'x' }],
    'absolute symlink, then through it': [
      { name: 'out', type: 'symlink', linkname: tw },
      { name: 'out/new', data: 'x' },
    ],
    'relative symlink, then through it': [
      { name: 'out', type: 'symlink', linkname: toHost },
      { name: 'out/new', data: 'x' },
    ],
    'two hops': [
      { name: 'inner/' },
      { name: 'inner/up', type: 'symlink', linkname: '..' },
      { name: 'inner/up/escape', type: 'symlink', linkname: toHost },
      { name: 'escape/new', data: 'x' },
    ],
    'a directory becomes a symlink': [
      { name: 'd/' },
      { name: 'd', type: 'symlink', linkname: tw },
      { name: 'd/SENTINEL', data: 'overwritten' },
    ],
    'a symlink becomes a directory': [
      { name: 'd', type: 'symlink', linkname: `${tw}/dir` },
      { name: 'd/', mode: 0o777 },
      { name: 'd/file', data: 'overwritten' },
    ],
    'chmod through a symlink': [
      { name: 'a', type: 'symlink', linkname: `${tw}/suid` },
      { name: 'a', mode: 0o6777, data: '' },
    ],
    'hard link to the host, absolute': [
      { name: 'h', type: 'link', linkname: `${tw}/SENTINEL` },
      { name: 'h', data: 'overwritten' },
    ],
    'hard link to the host, relative': [
      { name: 'h', type: 'link', linkname: `${toHost}/SENTINEL` },
      { name: 'h', data: 'overwritten' },
    ],
    'hard link through a symlink': [
      { name: 's', type: 'symlink', linkname: tw },
      { name: 'h', type: 'link', linkname: 's/SENTINEL' },
      { name: 'h', data: 'overwritten' },
    ],
    'hard link to a symlink, then write': [
      { name: 's', type: 'symlink', linkname: `${tw}/SENTINEL` },
      { name: 'h', type: 'link', linkname: 's' },
      { name: 'h', data: 'overwritten' },
    ],
    'whiteout of the parent': [{ name: '.wh...', data: '' }],
    'whiteout of the root': [{ name: '.wh..', data: '' }],
    'whiteout of nothing': [{ name: '.wh.', data: '' }],
    'whiteout below one': [{ name: '.wh.x/file', data: '' }],
    'whiteout through a symlink': [
      { name: 's', type: 'symlink', linkname: tw },
      { name: 's/.wh.SENTINEL', data: '' },
    ],
    'opaque through a symlink': [
      { name: 's', type: 'symlink', linkname: tw },
      { name: 's/.wh..wh..opq', data: '' },
    ],
    'the PAX path is the one that counts': [{ name: 'harmless', pax: { path: `${toHost}/new` }, data: 'x' }],
    'the PAX link path is the one that counts': [
      { name: 's', type: 'symlink', linkname: 'harmless', pax: { linkpath: tw } },
      { name: 's/new', data: 'x' },
    ],
    'a PAX size that differs': [{ name: 'f', data: 'abc', pax: { size: '99999999999' } }],
    'overlay attributes': [
      { name: 'd/', pax: { 'SCHILY.xattr.trusted.overlay.redirect': tw, 'SCHILY.xattr.trusted.overlay.opaque': 'y' } },
      { name: 'e/', pax: { 'SCHILY.xattr.user.overlay.redirect': tw } },
    ],
    'a device of the host': [{ name: 'sda', type: 'block', major: 8, minor: 0, mode: 0o666 }],
    'a whiteout device': [{ name: 'w', type: 'char', major: 0, minor: 0 }],
    'five thousand characters': [{ name: 'x', pax: { path: 'n'.repeat(5000) }, data: 'x' }],
    'four thousand levels': [{ name: 'x', pax: { path: `${'d/'.repeat(4000)}f` }, data: 'x' }],
    'the same name four ways': [
      { name: 'n', data: '1' },
      { name: 'n/' },
      { name: 'n', type: 'symlink', linkname: tw },
      { name: 'n', data: '2' },
    ],
    'a control character in a name': [{ name: 'a\nb\x1b[31m', data: 'x' }],
  };
}

async function tryImport(tar: Buffer, name: string): Promise<{ status: number; text: string; id: string | undefined }> {
  const { api } = fixture.daemon;
  const answer = await api.send('POST', `/images/create?fromSrc=-&repo=${name}`, { raw: tar, timeoutMs: 60_000 });
  return { status: answer.status, text: answer.text, id: /"status":"(sha256:[0-9a-f]{64})"/.exec(answer.text)?.[1] };
}

describe('import', () => {
  test('the tripwire is live: it sees a change', () => {
    const other = new Tripwire();
    execFileSync('touch', [`${other.dir}/new`]);
    expect(() => other.check()).toThrow(/touched/);
    other.remove();
  });

  test.each(Object.keys(attacks('/x')))('%s', async (name) => {
    const { daemon } = fixture;
    const tar = tarOf(attacks(wire.dir)[name] ?? []);
    const { id, text } = await tryImport(tar, 'hostile');
    wire.check();
    if (id !== undefined) {
      // Taken means confined: a container of it starts, and nothing of the host is in it.
      const made = await daemon.api.send('POST', '/containers/create', { body: { Image: id, Cmd: ['/x'] } });
      if (made.status === 201) {
        const ref = (made.json as { Id: string }).Id;
        const exported = await daemon.api.send('GET', `/containers/${ref}/export`);
        expect(exported.body.includes(wire.secret)).toBe(false);
        expect((await daemon.api.send('POST', `/containers/${ref}/start`)).status).toBeGreaterThanOrEqual(400);
        await daemon.api.delete(`/containers/${ref}?force=1`);
      }
      await daemon.api.delete(`/images/${id}?force=1`);
    } else {
      expect(text).toMatch(/"(error|message)"/);
      expect((await daemon.api.send('GET', '/images/hostile/json')).status).toBe(404);
    }
    expect(await daemon.leftovers()).toEqual([]);
  });

  test('a whole image still comes in after all of these', async () => {
    await fixture.daemon.importBusybox('after');
    expect((await run(fixture.daemon, 'echo fine', { Image: 'after' })).stdout).toBe('fine\n');
  });
});

describe('put', () => {
  test.each(Object.keys(attacks('/x')))('%s', async (name) => {
    const { daemon } = fixture;
    const id = await create(daemon, 'true');
    const tar = tarOf(attacks(wire.dir)[name] ?? []);
    const answer = await daemon.api.send('PUT', `/containers/${id}/archive?path=/tmp`, { raw: tar });
    expect([200, 400, 404, 413, 500], answer.text).toContain(answer.status);
    wire.check();
    const exported = readTar((await daemon.api.send('GET', `/containers/${id}/export`)).body);
    expect(exported.some((entry) => entry.data.includes(wire.secret))).toBe(false);
  });
});

describe('bombs', () => {
  const bounded = async (tar: Buffer) => {
    const { daemon } = fixture;
    const before = residentBytes(daemon.pid);
    const importing = tryImport(tar, 'bomb').catch((error: Error) => ({
      status: 0,
      text: error.message,
      id: undefined,
    }));
    const clock = answerClock(daemon.pid);
    let slowest = 0;
    let isDone = false;
    void importing.then(() => {
      isDone = true;
    });
    while (!isDone) {
      const answered = clock.begin();
      await daemon.api.send('GET', '/_ping');
      slowest = Math.max(slowest, answered());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const result = await importing;
    if (result.id !== undefined) await daemon.api.delete(`/images/${result.id}?force=1`);
    expect(residentBytes(daemon.pid) - before).toBeLessThan(250 << 20);
    expect(slowest).toBeLessThan(1500 * usualMs());
    return result;
  };

  test('a gibibyte of zeros in a megabyte of gzip', async () => {
    const zeros = execFileSync('sh', ['-c', '{ printf x; head -c 200M /dev/zero; } | gzip -1'], {
      maxBuffer: 64 << 20,
    });
    await bounded(zeros);
  });

  test('half a gigabyte of zeros after the end of the archive', async () => {
    const packed = execFileSync('sh', ['-c', 'head -c 512M /dev/zero | gzip -1'], { maxBuffer: 64 << 20 });
    const result = await bounded(packed);
    expect(result.status === 200 || result.text.length > 0).toBe(true);
  });

  test('a size that is not there, an exbibyte of a sparse file, a truncated archive', async () => {
    const tar = tarOf([{ name: 'f', data: 'x', size: 8 ** 11 - 1 }]);
    expect((await bounded(tar)).id).toBeUndefined();
    const whole = tarOf([{ name: 'f', data: 'x'.repeat(100_000) }]);
    expect((await bounded(whole.subarray(0, 50_000))).id).toBeUndefined();
    const packed = gzipSync(whole);
    expect((await bounded(packed.subarray(0, packed.length - 20))).id).toBeUndefined();
  });

  test('a hundred thousand entries', async () => {
    const one = tarOf([{ name: 'same', data: '' }], { end: false });
    const many = Buffer.concat([...Array.from({ length: 100_000 }, () => one), Buffer.alloc(1024)]);
    await bounded(many);
  }, 180_000);

  test('no tar at all', async () => {
    for (const bytes of [
      Buffer.from('hello'),
      Buffer.alloc(513, 1),
      readFileSync('/bin/busybox').subarray(0, 100_000),
    ]) {
      expect((await bounded(bytes)).id).toBeUndefined();
    }
    rmSync('/tmp/tsdt-none', { force: true });
  });
});
