// Archives made to write outside of their tree: imported as images, put with cp. Each is refused or confined; the host is compared after each.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { answerClock } from '../harness/answer-clock.ts';
import { create, run } from '../harness/containers.ts';
import { escapingEntries } from '../harness/escaping-entries.ts';
import { residentBytes } from '../harness/ledger.ts';
import { usualMs } from '../harness/pace.ts';
import { readTar, tarOf } from '../harness/tars.ts';
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

  test.each(Object.keys(escapingEntries('/x')))('%s', async (name) => {
    const { daemon } = fixture;
    const tar = tarOf(escapingEntries(wire.dir)[name] ?? []);
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
  test.each(Object.keys(escapingEntries('/x')))('%s', async (name) => {
    const { daemon } = fixture;
    const id = await create(daemon, 'true');
    const tar = tarOf(escapingEntries(wire.dir)[name] ?? []);
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
