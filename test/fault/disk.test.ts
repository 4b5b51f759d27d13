// Full disks, power cuts, damaged state. The data root is a small file system of the test's own.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, describe, expect } from 'vitest';
import { create, exec, inspect, run, runDetached, start, wait } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { EvilRegistry } from '../harness/evil-registry.ts';
import { imageNames, pull } from '../harness/image-transfers.ts';
import { testNeeding } from '../harness/needs.ts';
import { busyboxEntries, rawImage, rawLayer } from '../harness/raw-image.ts';
import { tarOf } from '../harness/tars.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  // Every step is taken, whatever an earlier one found: a mount that stays would outlive the test.
  const problems: unknown[] = [];
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      await cleanup();
    } catch (error) {
      problems.push(error);
    }
  }
  if (problems.length > 0) throw problems[0];
});

function mountAt(dir: string, args: string[]): void {
  mkdirSync(dir, { recursive: true });
  execFileSync('mount', [...args, dir]);
  cleanups.push(() => {
    execFileSync('umount', ['-l', dir]);
  });
}

function newDir(): string {
  const dir = mkdtempSync('/tmp/tsdt-');
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function daemonIn(dir: string): Promise<TestDaemon> {
  const daemon = await TestDaemon.start({ dir });
  cleanups.push(() => daemon.dispose());
  return daemon;
}

describe('a full disk', () => {
  const small = testNeeding();

  small(
    'a clear word, no half image, containers go on, rm and stop work, and all is well after',
    async () => {
      const dir = newDir();
      mountAt(`${dir}/data`, ['-t', 'tmpfs', '-o', 'size=24m', 'tsdt']);
      const daemon = await daemonIn(dir);
      const talker = await runDetached(daemon, 'i=0; while :; do echo line $i; i=$((i+1)); sleep 0.005; done');
      const idle = await runDetached(daemon, ['sleep', '1000'], { HostConfig: { Init: true } });
      const images = await daemon.api.get<unknown[]>('/images/json?all=1');
      const tar = tarOf([{ name: 'big', data: Buffer.alloc(40 << 20, 1) }]);
      const answer = await daemon.api.send('POST', '/images/create?fromSrc=-&repo=big', { raw: tar });
      expect(answer.text).toMatch(/no space left|ENOSPC/i);
      expect(await daemon.api.get<unknown[]>('/images/json?all=1')).toHaveLength(images.length);

      const filler = await create(daemon, 'true');
      const put = await daemon.api.send('PUT', `/containers/${filler}/archive?path=/`, { raw: tar });
      expect(put.status).toBeGreaterThanOrEqual(400);
      expect(put.text).toMatch(/no space left|ENOSPC/i);
      await daemon.api.delete(`/containers/${filler}`);

      // Now to the last byte.
      const writer = await runDetached(daemon, 'dd if=/dev/zero of=/fill bs=4k 2>/dev/null; echo full; sleep 1000');
      await sleep(800);
      expect((await inspect(daemon, talker)).State.Running).toBe(true);
      expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
      const made = await daemon.api.send('POST', '/containers/create', { body: { Image: 'busybox', Cmd: ['true'] } });
      if (made.status !== 201) expect(made.text).toMatch(/no space left|ENOSPC|disk is full/i);
      expect((await daemon.api.send('POST', `/containers/${idle}/stop?t=1`)).status).toBe(204);
      expect((await daemon.api.send('DELETE', `/containers/${writer}?force=1`)).status).toBe(204);
      // What is removed is deleted behind the answer.
      await eventually('the space is free', async () => (await run(daemon, 'echo well')).stdout === 'well\n');
      expect((await inspect(daemon, talker)).State.Running).toBe(true);
      await daemon.crash();
      await daemon.start();
      expect((await inspect(daemon, talker)).State.Running).toBe(true);
    },
    90_000,
  );

  small(
    'archives of images: a clear word, nothing of them stays, removing works, and a smaller one fits afterwards',
    async () => {
      const dir = newDir();
      mountAt(`${dir}/data`, ['-t', 'tmpfs', '-o', 'size=24m', 'tsdt']);
      const daemon = await daemonIn(dir);
      const saved = await daemon.api.send('GET', '/images/busybox/get');
      const free = () => statfsSync(`${dir}/data`).bavail;
      const before = free();
      for (const bytes of [12 << 20, 40 << 20]) {
        // Random: zeros would fit.
        const layer = tarOf([{ name: 'big', data: randomBytes(bytes) }]);
        const config = JSON.stringify({
          architecture: 'amd64',
          os: 'linux',
          rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
        });
        const raw = tarOf([
          { name: 'l.tar', data: layer },
          { name: 'c.json', data: config },
          {
            name: 'manifest.json',
            data: JSON.stringify([{ Config: 'c.json', RepoTags: ['big:1'], Layers: ['l.tar'] }]),
          },
        ]);
        const answer = await daemon.api.send('POST', '/images/load?quiet=1', { raw });
        expect(answer.text).toMatch(/no space left on device/);
        expect(await daemon.api.get<unknown[]>('/images/json?all=1')).toHaveLength(1);
        await eventually('the space is free again', () => free() >= before - 16 || undefined);
      }
      await daemon.api.delete('/images/busybox');
      expect((await daemon.api.send('POST', '/images/load?quiet=1', { raw: saved.body })).text).toContain(
        'busybox:latest',
      );
      expect((await run(daemon, 'echo well')).stdout).toBe('well\n');
    },
    60_000,
  );

  small(
    'pulls: a clear word, nothing of them stays, removing works, and the image that fits is pulled afterwards',
    async () => {
      const dir = newDir();
      mountAt(`${dir}/data`, ['-t', 'tmpfs', '-o', 'size=24m', 'tsdt']);
      const daemon = await daemonIn(dir);
      const registry = await EvilRegistry.start(daemon.network);
      cleanups.push(() => registry.close());
      const base = await rawLayer(busyboxEntries());
      const good = registry.hold(rawImage({ layers: [base] }), 'good');
      // Of the first the blob fits, and its files do not; of the second not even that. Random: zeros would fit.
      for (const bytes of [12 << 20, 40 << 20]) {
        const big = await rawLayer([{ name: 'big', data: randomBytes(bytes) }], 'plain');
        const { error } = await pull(daemon, registry.hold(rawImage({ layers: [base, big] }), 'big'));
        expect(error).toMatch(/no space left on device/);
        expect(await imageNames(daemon)).toEqual(['busybox:latest']);
        expect((await run(daemon, 'echo well')).stdout).toBe('well\n');
        expect((await pull(daemon, good)).error).toBeUndefined();
        expect((await run(daemon, ['/bin/busybox', 'cat', '/hello'], { Image: good })).stdout).toBe('hello world\n');
        await daemon.api.delete(`/images/${encodeURIComponent(good)}`);
      }

      // To the last byte.
      const fill = `${dir}/data/fill`;
      await eventually('the disk is full, also when something was deleted meanwhile', () => {
        execFileSync('sh', ['-c', 'dd if=/dev/zero bs=4k 2>/dev/null >>"$0"; :', fill]);
        return statfsSync(`${dir}/data`).bavail === 0;
      });
      expect((await pull(daemon, good)).error).toMatch(/no space left on device|disk is full/);
      expect((await daemon.api.send('DELETE', '/images/busybox')).status).toBe(200);
      expect(await imageNames(daemon)).toEqual([]);
      rmSync(fill);
      expect((await pull(daemon, good)).error).toBeUndefined();
      expect((await run(daemon, ['/bin/busybox', 'cat', '/hello'], { Image: good })).stdout).toBe('hello world\n');
    },
    90_000,
  );

  testNeeding('mkfs.ext4', 'loop devices')(
    'no inode left',
    async () => {
      const dir = newDir();
      execFileSync('truncate', ['-s', '96M', `${dir}/disk.img`]);
      execFileSync('mkfs.ext4', ['-qF', '-N', '1200', `${dir}/disk.img`]);
      mountAt(`${dir}/data`, ['-o', 'loop', `${dir}/disk.img`]);
      const daemon = await daemonIn(dir);
      const id = await runDetached(
        daemon,
        'i=0; while echo > /f$i; do i=$((i+1)); done 2>/dev/null; echo full; sleep 1000',
      );
      await sleep(1500);
      const answer = await daemon.api.send('POST', '/images/create?fromSrc=-&repo=x', {
        raw: tarOf([{ name: 'a', data: 'x' }]),
      });
      if (!answer.text.includes('sha256:')) expect(answer.text).toMatch(/no space left|ENOSPC/i);
      expect((await daemon.api.send('DELETE', `/containers/${id}?force=1`)).status).toBe(204);
      await eventually('files are deleted', async () => (await run(daemon, 'echo well')).stdout === 'well\n', {
        timeoutMs: 15_000,
        everyMs: 500,
      });
    },
    90_000,
  );
});

describe('a power cut', () => {
  testNeeding('mkfs.ext4', 'loop devices')(
    'at any moment: the next start has every image whole and every container whole or gone',
    async () => {
      const dir = newDir();
      execFileSync('truncate', ['-s', '256M', `${dir}/disk.img`]);
      execFileSync('mkfs.ext4', ['-qF', `${dir}/disk.img`]);
      mountAt(`${dir}/data`, ['-o', 'loop', `${dir}/disk.img`]);
      const daemon = await daemonIn(dir);
      let isWorking = true;
      const work = (async () => {
        for (let n = 0; isWorking; n++) {
          const id = await create(daemon, `echo ${n} > /n; echo ${n}`, {}, `cut-${n}`);
          await start(daemon, id);
          await wait(daemon, id);
          await daemon.api.post(`/commit?container=${id}&repo=cut&tag=t${n}`);
          if (n % 3 !== 0) await daemon.api.delete(`/containers/${id}`);
          const tar = tarOf([{ name: 'a', data: Buffer.alloc(200_000, n % 256) }]);
          await daemon.importTar(tar, 'imported', `t${n}`);
        }
      })();
      const copies: string[] = [];
      for (let n = 0; n < 5; n++) {
        await sleep(300 + Math.random() * 500);
        const copy = `${dir}/crash-${n}.img`;
        execFileSync('cp', ['--sparse=always', `${dir}/disk.img`, copy]);
        copies.push(copy);
      }
      isWorking = false;
      await work;
      for (const [n, copy] of copies.entries()) {
        const other = newDir();
        mountAt(`${other}/data`, ['-o', 'loop', copy]);
        const second = new TestDaemon({ dir: other });
        await second.start();
        try {
          const images = await second.api.get<{ Id: string; RepoTags: string[] }[]>('/images/json');
          expect(images.length, `cut ${n}`).toBeGreaterThan(0);
          for (const { Id, RepoTags } of images) {
            const tag = RepoTags[0] ?? Id;
            if (tag.startsWith('cut:'))
              expect((await run(second, 'cat /n', { Image: Id })).stdout).toBe(`${tag.slice(5)}\n`);
            if (tag.startsWith('busybox'))
              expect((await run(second, 'echo whole', { Image: Id })).stdout).toBe('whole\n');
            if (tag.startsWith('imported:')) {
              const id = await create(second, ['/x'], { Image: Id });
              const { body } = await second.api.send('GET', `/containers/${id}/archive?path=/a`);
              expect(
                body.subarray(512, 512 + 200_000).every((byte) => byte === Number(tag.slice(10)) % 256),
                tag,
              ).toBe(true);
            }
          }
          for (const { Id } of await second.api.get<{ Id: string }[]>('/containers/json?all=1')) {
            expect((await inspect(second, Id)).Id).toBe(Id);
            expect((await second.api.send('DELETE', `/containers/${Id}?force=1`)).status).toBe(204);
          }
        } finally {
          await second.dispose();
        }
      }
    },
    170_000,
  );
});

describe('damaged state', () => {
  const damage = testNeeding();

  damage(
    'files of a container that are gone, empty or wrong: the daemon starts, the others are fine, rm works',
    async () => {
      const dir = newDir();
      const daemon = await daemonIn(dir);
      const good = await runDetached(daemon, ['sleep', '1000'], {}, 'good');
      const bad = await runDetached(daemon, 'echo x; exit 5', {}, 'bad');
      await wait(daemon, bad);
      const running = await runDetached(daemon, ['sleep', '1000'], {}, 'running');
      await daemon.crash();
      for (const root of [`${daemon.execRoot}/containers/${bad}`, `${daemon.execRoot}/containers/${running}`]) {
        if (!existsSync(root)) continue;
        for (const name of readdirSync(root)) {
          if (name === 'exit' || name === 'started') truncateSync(`${root}/${name}`, 0);
        }
      }
      rmSync(`${daemon.dataRoot}/containers/${bad}`, { recursive: true, force: true });
      mkdirSync(`${daemon.dataRoot}/containers/${'a'.repeat(64)}`);
      writeFileSync(`${daemon.dataRoot}/containers/stranger`, 'not ours');
      await daemon.start();
      expect((await inspect(daemon, good)).State.Running).toBe(true);
      expect((await exec(daemon, good, 'echo fine')).stdout).toBe('fine\n');
      for (const ref of ['bad', 'running'])
        expect([204, 404]).toContain((await daemon.api.send('DELETE', `/containers/${ref}?force=1`)).status);
      rmSync(`${daemon.dataRoot}/containers/stranger`, { force: true });
    },
  );

  damage('a reboot: the exec root is empty, no container runs, all can be started again', async () => {
    const dir = newDir();
    const daemon = await daemonIn(dir);
    const id = await runDetached(daemon, 'echo once >> /count; wc -l < /count; sleep 1000');
    const { Pid } = (await inspect(daemon, id)).State;
    await daemon.crash();
    process.kill(Pid, 'SIGKILL');
    await sleep(200);
    rmSync(daemon.execRoot, { recursive: true, force: true });
    await daemon.start();
    const { State } = await inspect(daemon, id);
    expect(State).toMatchObject({ Running: false, Status: 'exited' });
    await start(daemon, id);
    await eventually('it counts on', async () =>
      (await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`)).text.includes('2\n'),
    );
  });

  damage('a database that is no database is an error in words, and is not thrown away', async () => {
    const dir = newDir();
    const daemon = new TestDaemon({ dir });
    mkdirSync(daemon.dataRoot, { recursive: true });
    writeFileSync(`${daemon.dataRoot}/state.db`, 'this is not a database, it is a letter'.repeat(100));
    daemon.spawn();
    expect(await daemon.ended()).not.toBe(0);
    expect(daemon.log()).toMatch(/state\.db/);
    await daemon.dispose();
  });
});
