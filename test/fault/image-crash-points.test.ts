// The daemon is killed at its n-th call of one kind while it loads, packs for a push, and removes an image. After each the next start must find
// every image whole or gone, every blob what its name says, nothing half-made; and doing it all again must work. And it is killed at each call of
// its main thread that changes the disk while it pulls, loads, imports, commits, tags, and removes a name or an image. strace does the killing.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { isErrno } from '../../native-bindings/errno.ts';
import { create, inspect, monitorOf, runDetached, start, wait } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { EvilRegistry } from '../harness/evil-registry.ts';
import { pull } from '../harness/image-transfers.ts';
import { testNeeding } from '../harness/needs.ts';
import { busyboxEntries, rawImage, rawLayer } from '../harness/raw-image.ts';
import { readTar, tarOf } from '../harness/tars.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

/** The step between two points: every one would take minutes. */
const families: Record<string, { calls: string; step: number }> = {
  rename: { calls: 'rename,renameat,renameat2', step: 1 },
  sync: { calls: 'fsync,fdatasync,syncfs', step: 1 },
  write: { calls: 'pwrite64,pwritev,pwritev2', step: 6 },
};

const digestOf = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

/** Two layers, the second bulky enough for several writes. */
function archive(): Buffer {
  const layers = ['lower', 'upper'].map((name) =>
    tarOf([{ name: `${name}/` }, { name: `${name}/f`, data: Buffer.alloc(300_000, name) }]),
  );
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : 'arm64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${digestOf(layer)}`) },
  });
  return tarOf([
    { name: 'a.tar', data: layers[0] as Buffer },
    { name: 'b.tar', data: layers[1] as Buffer },
    { name: 'c.json', data: config },
    {
      name: 'manifest.json',
      data: JSON.stringify([{ Config: 'c.json', RepoTags: ['127.0.0.1:9/point:1'], Layers: ['a.tar', 'b.tar'] }]),
    },
  ]);
}

/** Load, push (nobody listens there: the layers are packed, no more), save, remove. */
async function life(daemon: TestDaemon): Promise<boolean> {
  try {
    const loaded = await daemon.api.send('POST', '/images/load?quiet=1', { raw: archive() });
    expect(loaded.text).toContain('Loaded image: 127.0.0.1:9/point:1');
    const pushed = await daemon.api.send('POST', '/images/127.0.0.1:9/point/push?tag=1');
    expect(pushed.text).toContain('Preparing');
    await daemon.api.delete('/images/127.0.0.1:9/point:1');
    return true;
  } catch {
    return false;
  }
}

/** undefined: the layout's index let go of it meanwhile. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Judged from the files, and from an archive of every image: its bytes are checked against the diff ids as it is made. */
async function expectWhole(daemon: TestDaemon, where: string): Promise<void> {
  const blobs = `${daemon.dataRoot}/content/blobs/sha256`;
  for (const name of readdirSync(blobs)) {
    const bytes = readIfThere(`${blobs}/${name}`);
    if (bytes !== undefined) expect(digestOf(bytes), where).toBe(name);
  }
  // The daemon writes the layout's index there, shortly after its start and after names change. Whatever else lies there stays for good.
  const staging = () => readdirSync(`${daemon.dataRoot}/staging`);
  await eventually(`${where}: nothing half-made is left`, () => staging().length === 0).catch((error: unknown) => {
    expect(staging(), where).toEqual([]);
    throw error;
  });
  for (const { Id } of await daemon.api.get<{ Id: string }[]>('/images/json?all=1')) {
    const saved = await daemon.api.send('GET', `/images/${Id}/get`);
    expect(saved.status, where).toBe(200);
    expect(
      readTar(saved.body).map(({ name }) => name),
      where,
    ).toContain('manifest.json');
  }
}

for (const [family, { calls, step }] of Object.entries(families)) {
  testNeeding('strace')(
    `killed at each ${family} of an image’s way`,
    async () => {
      const plain = new TestDaemon();
      await plain.start();
      const deadline = Date.now() + 14_000;
      let kills = 0;
      try {
        for (let n = 1; n < 200 && Date.now() < deadline; n += step) {
          await plain.stop();
          const traced = new TestDaemon({
            dir: plain.dir,
            wrapper: [
              'strace',
              '-f',
              '-o',
              '/dev/null',
              '-e',
              `trace=${calls}`,
              '-e',
              `inject=${calls}:signal=KILL:when=${n}`,
            ],
            env: { UV_THREADPOOL_SIZE: '1' },
            network: plain.network,
          });
          traced.spawn();
          await traced.ready({ timeoutMs: 15_000 }).catch(() => {});
          const isDone = traced.isRunning && (await life(traced));
          if (traced.isRunning) await traced.stop('SIGKILL').catch(() => {});
          else kills++;
          await plain.start({ timeoutMs: 10_000 });
          await expectWhole(plain, `${family} ${n}`);
          await plain.api.send('DELETE', '/images/127.0.0.1:9/point:1');
          expect(await life(plain), `again after ${family} ${n}`).toBe(true);
          if (isDone) break;
        }
        expect(kills, 'points at which the daemon was killed').toBeGreaterThan(0);
        expect(await plain.leftovers()).toEqual([]);
      } finally {
        await plain.dispose();
      }
    },
    60_000,
  );
}

/** What the main thread changes the disk with. */
const changes =
  'rename,renameat,renameat2,fsync,fdatasync,syncfs,pwrite64,pwritev,write,unlink,unlinkat,rmdir,mkdir,mkdirat,ftruncate';

interface Operation {
  /** Makes what it works on. */
  prepare?(daemon: TestDaemon): Promise<void>;
  /** `pulled` is what a registry beside the daemon has. */
  run(daemon: TestDaemon, pulled: string): Promise<{ status: number }>;
  /** Names that are there before and after it: one of both is what the next start has to find, of the images that are there at all. */
  before: readonly string[];
  after: readonly string[];
  /** Calls from one point to the next: with WALK=all it is one for each. */
  step?: number;
}

const small = () => tarOf([{ name: 'small', data: Buffer.alloc(5000, 1) }]);

const operations: Record<string, Operation> = {
  pull: {
    run: (daemon, pulled) => pull(daemon, pulled),
    before: [],
    after: ['PULLED'],
    step: 3,
  },
  load: {
    run: (daemon) => daemon.api.send('POST', '/images/load?quiet=1', { raw: archive() }),
    before: [],
    after: ['127.0.0.1:9/point:1'],
    step: 3,
  },
  import: {
    run: (daemon) => daemon.api.send('POST', '/images/create?fromSrc=-&repo=walk&tag=new', { raw: small() }),
    before: [],
    after: ['walk:new'],
  },
  commit: {
    run: (daemon) => daemon.api.send('POST', '/commit?container=walked&repo=walk&tag=new'),
    before: [],
    after: ['walk:new'],
  },
  tag: {
    prepare: async (daemon) => void (await daemon.importTar(small(), 'walk', 'old')),
    run: (daemon) => daemon.api.send('POST', '/images/walk:old/tag?repo=walk&tag=new'),
    before: ['walk:old'],
    after: ['walk:new', 'walk:old'],
  },
  'tag that moves': {
    prepare: async (daemon) => void (await daemon.importTar(small(), 'walk', 'old')),
    run: (daemon) => daemon.api.send('POST', '/images/busybox/tag?repo=walk&tag=old'),
    before: ['walk:old'],
    after: ['<none>', 'walk:old'],
  },
  untag: {
    prepare: async (daemon) => {
      await daemon.importTar(small(), 'walk', 'old');
      await daemon.api.post('/images/walk:old/tag?repo=walk&tag=new');
    },
    run: (daemon) => daemon.api.send('DELETE', '/images/walk:new'),
    before: ['walk:new', 'walk:old'],
    after: ['walk:old'],
  },
  rmi: {
    prepare: async (daemon) => void (await daemon.importTar(small(), 'walk', 'old')),
    run: (daemon) => daemon.api.send('DELETE', '/images/walk:old'),
    before: ['walk:old'],
    after: [],
  },
};

/** Kills the daemon at its main thread's n-th such call from now on. */
async function arm(daemon: TestDaemon, n: number): Promise<{ disarm(): Promise<void> }> {
  const inject = `inject=${changes}:signal=KILL:when=${n}`;
  const args = ['-o', '/dev/null', '-p', String(daemon.pid), '-e', `trace=${changes}`, '-e', inject];
  const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => tracer.once('close', () => resolve()));
  await new Promise<void>((resolve) => tracer.stderr.once('data', () => resolve()));
  return {
    disarm: async () => {
      tracer.kill('SIGTERM');
      await ended;
    },
  };
}

/** Tags of every image, and `<none>` for each that has none. */
async function names(daemon: TestDaemon): Promise<string[]> {
  const images = await daemon.api.get<{ RepoTags: string[] }[]>('/images/json?all=1');
  return images
    .flatMap(({ RepoTags }) => (RepoTags.length === 0 ? ['<none>'] : RepoTags))
    .filter((name) => name !== 'busybox:latest')
    .sort();
}

for (const [name, operation] of Object.entries(operations)) {
  testNeeding('strace')(
    `killed at each call of ${name}: none of it or the whole`,
    async () => {
      const daemon = await TestDaemon.start();
      const registry = await EvilRegistry.start(daemon.network);
      const layers = [await rawLayer(busyboxEntries()), await rawLayer([{ name: 'upper', data: 'upper' }])];
      const pulled = registry.hold(rawImage({ layers }), 'pulled');
      const after = operation.after.map((tag) => (tag === 'PULLED' ? pulled : tag));
      let points = 0;
      try {
        const id = await create(daemon, 'echo x > /x', {}, 'walked');
        await start(daemon, id);
        await wait(daemon, id);
        for (let n = 1; ; n += process.env.WALK === 'all' ? 1 : (operation.step ?? 1)) {
          await operation.prepare?.(daemon);
          const { disarm } = await arm(daemon, n);
          const answer = await operation.run(daemon, pulled).catch(() => undefined);
          await disarm();
          const isOver = daemon.isRunning;
          if (isOver) expect(answer?.status).toBeLessThan(300);
          else {
            points++;
            await daemon.start({ timeoutMs: 10_000 });
          }
          const found = await names(daemon);
          expect([operation.before, after], `call ${n}`).toContainEqual(found);
          // What was answered is true.
          if (answer !== undefined && answer.status < 300) expect(found, `call ${n}`).toEqual(after);
          await expectWhole(daemon, `${name} ${n}`);
          for (const tag of ['walk:new', 'walk:old', '127.0.0.1:9/point:1', pulled])
            await daemon.api.send('DELETE', `/images/${tag}`);
          await daemon.api.post('/images/prune');
          expect(await names(daemon)).toEqual([]);
          if (isOver) break;
        }
        expect(points, 'points at which the daemon was killed').toBeGreaterThan(1);
      } finally {
        await registry.close();
        await daemon.dispose();
      }
    },
    240_000,
  );
}

testNeeding('strace')(
  'killed at each call of a commit with the monitor of its container: no image or the whole, and nothing of the container',
  async () => {
    const daemon = await TestDaemon.start();
    let points = 0;
    try {
      for (let n = 1; ; n++) {
        const id = await runDetached(daemon, 'echo x > /x; sleep 1000');
        const monitor = monitorOf((await inspect(daemon, id)).State.Pid);
        const { disarm } = await arm(daemon, n);
        const answer = await daemon.api
          .send('POST', `/commit?container=${id}&repo=walk&tag=new`)
          .catch(() => undefined);
        await disarm();
        const isOver = daemon.isRunning;
        if (!isOver) process.kill(monitor, 'SIGKILL');
        if (isOver) expect(answer?.status).toBe(201);
        else {
          points++;
          await daemon.start({ timeoutMs: 10_000 });
          expect((await inspect(daemon, id)).State, `call ${n}`).toMatchObject({ Running: false, ExitCode: 255 });
        }
        expect([[], ['walk:new']], `call ${n}`).toContainEqual(await names(daemon));
        await expectWhole(daemon, `commit ${n}`);
        await daemon.api.delete(`/containers/${id}?force=1`);
        await daemon.api.send('DELETE', '/images/walk:new');
        await daemon.api.post('/images/prune');
        expect(await names(daemon)).toEqual([]);
        if (isOver) break;
      }
      expect(points, 'points at which both were killed').toBeGreaterThan(5);
      expect(await daemon.leftovers()).toEqual([]);
    } finally {
      await daemon.dispose();
    }
  },
  240_000,
);
