import { expect, test } from 'vitest';
import { create, inspect, run, runDetached, start, wait } from '../harness/containers.ts';
import { timeFactor } from '../harness/eventually.ts';
import { openFileCount, pssBytes, zombiesOf } from '../harness/ledger.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

test(
  'a hundred containers started at once all run, each in its own world, and leave nothing',
  async () => {
    const { daemon } = fixture;
    const ids = await Promise.all(
      Array.from({ length: 100 }, (_, n) => create(daemon, ['sleep', '1000'], {}, `many-${n}`)),
    );
    await Promise.all(ids.map((id) => start(daemon, id)));
    const states = await Promise.all(ids.map((id) => inspect(daemon, id)));
    expect(states.filter(({ State }) => State.Running)).toHaveLength(100);
    expect(new Set(states.map(({ State }) => State.Pid)).size).toBe(100);
    expect((await daemon.api.send('GET', '/_ping')).status).toBe(200);
    await Promise.all(ids.map((id) => daemon.api.delete(`/containers/${id}?force=1`)));
    expect(await daemon.leftovers(15_000)).toEqual([]);
    expect(zombiesOf(daemon.pid)).toEqual([]);
  },
  120_000 * timeFactor,
);

test(
  'a hundred short runs, ten at a time: no file, no memory, no process stays',
  async () => {
    const { daemon } = fixture;
    const one = async (n: number) => {
      const result = await run(daemon, `echo ${n}; exit ${n % 7}`);
      expect(result).toMatchObject({ stdout: `${n}\n`, code: n % 7 });
    };
    for (let n = 0; n < 10; n++) await one(n);
    const files = openFileCount(daemon.pid);
    const memory = pssBytes(daemon.pid);
    for (let n = 0; n < 100; n += 10) await Promise.all(Array.from({ length: 10 }, (_, k) => one(n + k)));
    expect(openFileCount(daemon.pid) - files).toBeLessThan(15);
    expect(pssBytes(daemon.pid) - memory).toBeLessThan(60 << 20);
    expect(await daemon.leftovers()).toEqual([]);
  },
  120_000 * timeFactor,
);

test(
  'the same container from fifty clients at once: documented answers only',
  async () => {
    const { daemon } = fixture;
    for (let round = 0; round < 5; round++) {
      const id = await create(daemon, ['sleep', '1000'], { HostConfig: { Init: true } }, 'contended');
      const calls = ['start', 'stop?t=1', 'kill', 'pause', 'unpause', 'restart?t=1', 'start', 'kill'];
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, n) => daemon.api.send('POST', `/containers/${id}/${calls[n % calls.length]}`)),
      );
      for (const answer of answers) expect([204, 304, 404, 409], answer.text).toContain(answer.status);
      const removed = await Promise.all(
        Array.from({ length: 5 }, () => daemon.api.send('DELETE', `/containers/${id}?force=1`)),
      );
      for (const answer of removed) expect([204, 404, 409], answer.text).toContain(answer.status);
      expect(removed.some((answer) => answer.status === 204)).toBe(true);
      expect(await daemon.leftovers()).toEqual([]);
    }
  },
  120_000 * timeFactor,
);

test('two creates of one name at once: one wins', async () => {
  const { daemon } = fixture;
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      daemon.api.send('POST', '/containers/create?name=one', { body: { Image: 'busybox', Cmd: ['true'] } }),
    ),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
});

test('an exit that comes at once is never missed', async () => {
  const { daemon } = fixture;
  for (let n = 0; n < 30; n++) {
    const id = await runDetached(daemon, ['true']);
    expect(await wait(daemon, id)).toBe(0);
    await daemon.api.delete(`/containers/${id}`);
  }
});
