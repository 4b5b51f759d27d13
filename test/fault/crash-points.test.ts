// The daemon is killed at its n-th call of one kind, for every n, while it does one thing: create, start, rm, commit. After each the next start
// must find the object whole or gone, and doing the thing again must work. strace does the killing.
import { expect } from 'vitest';
import { sleep } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const families: Record<string, string> = {
  rename: 'rename,renameat,renameat2',
  fsync: 'fsync,fdatasync',
  mkdir: 'mkdir,mkdirat',
  unlink: 'unlink,unlinkat,rmdir',
  write: 'pwrite64,pwritev,pwritev2',
};

/** create, start, wait, commit, rm; the first refusal or lost connection ends it. */
async function life(daemon: TestDaemon): Promise<boolean> {
  try {
    const { Id } = await daemon.api.post<{ Id: string }>('/containers/create?name=point', {
      Image: 'busybox',
      Cmd: ['sh', '-c', 'echo x > /x; exit 3'],
    });
    await daemon.api.post(`/containers/${Id}/start`);
    const { StatusCode } = await daemon.api.post<{ StatusCode: number }>(`/containers/${Id}/wait`);
    expect(StatusCode).toBe(3);
    await daemon.api.post(`/commit?container=${Id}&repo=point`);
    await daemon.api.delete(`/containers/${Id}`);
    await daemon.api.delete('/images/point');
    return true;
  } catch {
    return false;
  }
}

for (const [family, calls] of Object.entries(families)) {
  testNeeding('strace')(
    `killed at each ${family} of a container’s life`,
    async () => {
      const plain = new TestDaemon();
      await plain.start();
      await plain.importBusybox();
      const deadline = Date.now() + 40_000;
      let kills = 0;
      try {
        // The points of the start itself come first; they count too.
        for (let n = 1; n < 200 && Date.now() < deadline; n += family === 'write' ? 5 : 1) {
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
          });
          traced.spawn();
          await traced.ready({ timeoutMs: 15_000 }).catch(() => {});
          const isDone = traced.isRunning && (await life(traced));
          if (traced.isRunning) await traced.stop('SIGKILL').catch(() => {});
          else kills++;
          await plain.start({ timeoutMs: 10_000 });
          for (const container of await plain.api.get<{ Id: string }[]>('/containers/json?all=1')) {
            expect((await plain.api.send('GET', `/containers/${container.Id}/json`)).status, `${family} ${n}`).toBe(
              200,
            );
            expect(
              (await plain.api.send('DELETE', `/containers/${container.Id}?force=1`)).status,
              `${family} ${n}`,
            ).toBe(204);
          }
          await plain.api.send('DELETE', '/images/point?force=1');
          expect(await plain.leftovers(), `${family} ${n}`).toEqual([]);
          expect(await life(plain), `again after ${family} ${n}`).toBe(true);
          if (isDone) break;
          await sleep(0);
        }
        expect(kills, 'points at which the daemon was killed').toBeGreaterThan(0);
      } finally {
        await plain.dispose();
      }
    },
    120_000,
  );
}
