// The daemon is killed while an image's files are copied into a volume, at every step of it, and while a volume is removed. The next start must
// find the volume empty, complete or not there, and the same request must then give a complete one.
import { readdirSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { tarOf } from '../harness/tars.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const files = ['a', 'b', 'c', 'd/e'].map((name) => ({ name: `data/${name}`, data: name.repeat(50_000) }));

async function withImage(): Promise<TestDaemon> {
  const daemon = new TestDaemon();
  await daemon.start();
  const tar = tarOf([{ name: 'data/', mode: 0o1750 }, { name: 'data/d/', mode: 0o700 }, ...files]);
  await daemon.importTar(tar, 'full', 'latest', ['CMD ["x"]']);
  return daemon;
}

/** A daemon in the same place that dies at the n-th call of a kind. */
function traced(plain: TestDaemon, calls: string, n: number): TestDaemon {
  const what = ['-e', `trace=${calls}`, '-e', `inject=${calls}:signal=KILL:when=${n}`];
  return new TestDaemon({
    dir: plain.dir,
    wrapper: ['strace', '-f', '-o', '/dev/null', ...what],
    env: { UV_THREADPOOL_SIZE: '1' },
  });
}

const makeContainer = (daemon: TestDaemon) =>
  daemon.api
    .send('POST', '/containers/create?name=filler', { body: { Image: 'full', HostConfig: { Binds: ['vol:/data'] } } })
    .then(({ status }) => status === 201)
    .catch(() => false);

function contents(daemon: TestDaemon): string[] {
  return readdirSync(`${daemon.dataRoot}/volumes/vol/_data`).sort();
}

/** `rename` steps through every rename of daemon and workers; the others end the copy in its middle and just before it counts. */
const points: Record<string, { calls: string; from: number; to: number }> = {
  'in the middle of the files': { calls: 'fchown', from: 2, to: 4 },
  'when all is written': { calls: 'syncfs', from: 1, to: 1 },
  'at each rename': { calls: 'rename,renameat,renameat2', from: 2, to: 14 },
};

for (const [title, { calls, from, to }] of Object.entries(points)) {
  testNeeding('strace')(
    `a volume is empty or complete when the daemon is killed while it is filled: ${title}`,
    async () => {
      const plain = await withImage();
      let kills = 0;
      try {
        for (let n = from; n <= to; n++) {
          await plain.api.post('/volumes/create', { Name: 'vol' });
          await plain.stop();
          const dying = traced(plain, calls, n);
          dying.spawn();
          await dying.ready({ timeoutMs: 15_000 }).catch(() => {});
          const isMade = dying.isRunning && (await makeContainer(dying));
          if (!isMade) kills++;
          if (dying.isRunning) await dying.stop('SIGKILL').catch(() => {});
          await plain.start();
          expect([[], ['a', 'b', 'c', 'd']], `${calls} ${n}`).toContainEqual(contents(plain));
          await plain.removeAllContainers();
          expect(await makeContainer(plain), `${calls} ${n}: again`).toBe(true);
          expect(contents(plain), `${calls} ${n}: again`).toEqual(['a', 'b', 'c', 'd']);
          expect(readdirSync(`${plain.dataRoot}/volumes/vol`)).toEqual(['_data']);
          await plain.removeAllContainers();
          await plain.api.delete('/volumes/vol');
          if (isMade) break;
        }
        expect(kills).toBeGreaterThan(0);
        expect(await plain.leftovers()).toEqual([]);
      } finally {
        await plain.dispose();
      }
    },
    120_000,
  );
}

testNeeding('strace')(
  'a daemon that is killed while it removes a volume removes it at its next start',
  async () => {
    const plain = await withImage();
    try {
      for (let n = 1; n < 12; n++) {
        await plain.api.post('/volumes/create', { Name: 'vol' });
        writeFileSync(`${plain.dataRoot}/volumes/vol/_data/file`, 'x');
        await plain.stop();
        const dying = traced(plain, 'rename,renameat,renameat2', n);
        dying.spawn();
        await dying.ready({ timeoutMs: 15_000 }).catch(() => {});
        const wasUp = dying.isRunning;
        const answer = wasUp ? await dying.api.send('DELETE', '/volumes/vol').catch(() => undefined) : undefined;
        if (dying.isRunning) await dying.stop('SIGKILL').catch(() => {});
        await plain.start();
        const { status } = await plain.api.send('GET', '/volumes/vol');
        if (!wasUp) expect(status, `rename ${n}: it was not asked for`).toBe(200);
        else expect(status, `rename ${n}`).toBe(404);
        await plain.api.send('DELETE', '/volumes/vol');
        await eventually('its files are gone', async () => (await plain.leftovers(0)).length === 0);
        if (answer?.status === 204) return;
      }
      throw new Error('the removal never came to its end');
    } finally {
      await plain.dispose();
    }
  },
  120_000,
);
