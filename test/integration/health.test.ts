// Health checks, judged by what the check itself leaves in the container and by docker's own client; times are short, so that nothing waits.
import { describe, expect, test } from 'vitest';
import { cli, cliNames } from '../harness/clis.ts';
import { type Body, create, exec, runDetached } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const ms = 1_000_000;

interface Health {
  Status: string;
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

const check = (test: string | string[], options: object = {}): Body => ({
  Healthcheck: {
    Test: typeof test === 'string' ? ['CMD-SHELL', test] : test,
    Interval: 30 * ms,
    Timeout: 5000 * ms,
    Retries: 2,
    ...options,
  },
});
const sleeping = ['sleep', '1000'];

async function inspected(id: string) {
  return fixture.daemon.api.get<{
    State: { Status: string; StartedAt: string; Health?: Health };
    RestartCount: number;
    ExecIDs: unknown;
  }>(`/containers/${id}/json`);
}
const health = async (id: string) => (await inspected(id)).State.Health as Health;
const becomes = (id: string, status: string) =>
  eventually(`the container is ${status}`, async () => (await health(id)).Status === status, { everyMs: 10 });

async function eventsOf(id: string, since: number): Promise<string[]> {
  const until = Date.now() / 1000 + 0.05;
  const filters = encodeURIComponent(JSON.stringify({ container: [id], event: ['health_status'] }));
  const { text } = await fixture.daemon.api.send('GET', `/events?since=${since}&until=${until}&filters=${filters}`);
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).Action as string]));
}

test('a check that fails, succeeds and fails again: status, results, events, ps and filters', async () => {
  const { daemon } = fixture;
  const since = Math.floor(Date.now() / 1000);
  const id = await runDetached(daemon, sleeping, check('echo checked; [ -e /ok ]', { Retries: 3 }), 'subject');
  const shown = async () => (await cli(daemon, 'docker', ['ps', '--format', '{{.Status}}'])).stdout;
  expect(await shown()).toMatch(/^Up .*\((health: starting|unhealthy)\)\n$/);
  await becomes(id, 'unhealthy');
  expect(await shown()).toMatch(/\(unhealthy\)\n$/);
  expect((await health(id)).FailingStreak).toBeGreaterThanOrEqual(3);
  await cli(daemon, 'docker', ['exec', 'subject', 'touch', '/ok']);
  await becomes(id, 'healthy');
  expect(await shown()).toMatch(/\(healthy\)\n$/);
  const names = async (value: string) =>
    (await cli(daemon, 'docker', ['ps', '-aq', '--no-trunc', '-f', `health=${value}`])).stdout;
  expect(await names('healthy')).toBe(`${id}\n`);
  expect(await names('none')).toBe('');
  await eventually('five results', async () => (await health(id)).Log.every(({ ExitCode }) => ExitCode === 0));
  const { Log, FailingStreak } = await health(id);
  expect(FailingStreak).toBe(0);
  expect(Log).toHaveLength(5);
  for (const { Output, Start, End } of Log) {
    expect(Output).toBe('checked\n');
    expect(Date.parse(End)).toBeGreaterThanOrEqual(Date.parse(Start));
  }
  await cli(daemon, 'docker', ['exec', 'subject', 'rm', '/ok']);
  await becomes(id, 'unhealthy');
  expect(await eventsOf(id, since)).toEqual(
    ['unhealthy', 'healthy', 'unhealthy'].map((status) => `health_status: ${status}`),
  );
});

test('it runs as the container’s user, with its environment, directory and limits', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, sleeping, {
    User: '1234:56',
    WorkingDir: '/tmp',
    Env: ['WORD=hello'],
    ...check('id -u; pwd; echo $WORD; grep -h -E "^(CapEff|Seccomp):" /proc/self/status /proc/1/status'),
  });
  await becomes(id, 'healthy');
  const lines = (await health(id)).Log[0]?.Output.trim().split('\n') ?? [];
  expect(lines.slice(0, 3)).toEqual(['1234', '/tmp', 'hello']);
  expect(lines.slice(3, 5)).toEqual(lines.slice(5, 7));
});

test('one that takes too long is killed, one that says much is cut, one that cannot run says so', async () => {
  const { daemon } = fixture;
  const late = await runDetached(
    daemon,
    sleeping,
    check('echo begun; exec sleep 987', { Timeout: 60 * ms, Retries: 1 }),
  );
  await becomes(late, 'unhealthy');
  expect((await health(late)).Log[0]).toMatchObject({
    ExitCode: -1,
    Output: 'Health check exceeded timeout (60ms): begun\n',
  });
  await daemon.api.post(`/containers/${late}/pause`);
  const top = await daemon.api.get<{ Processes: string[][] }>(`/containers/${late}/top`);
  expect(top.Processes.flat().filter((word) => word.includes('sleep 987')).length).toBeLessThanOrEqual(1);
  await daemon.api.post(`/containers/${late}/unpause`);

  const loud = await runDetached(daemon, sleeping, check('head -c 100000 /dev/zero | tr "\\0" x'));
  await becomes(loud, 'healthy');
  expect((await health(loud)).Log[0]?.Output).toBe(`${'x'.repeat(4096)}...`);

  const none = await runDetached(daemon, sleeping, check(['CMD', '/none'], { Retries: 1 }));
  await becomes(none, 'unhealthy');
  const { ExitCode, Output } = (await health(none)).Log[0] as Health['Log'][0];
  expect(ExitCode).toBe(-1);
  expect(Output).toContain('/none');
});

test('one that may take for ever runs once, not again and again beside itself', async () => {
  const timeless = check('echo >> /begun; sleep 1000', { Interval: ms, Timeout: 9e15 });
  const id = await runDetached(fixture.daemon, sleeping, timeless);
  const begun = async () => (await exec(fixture.daemon, id, 'wc -l < /begun')).stdout.trim();
  await eventually('the check has begun', async () => (await begun()) !== '');
  for (let n = 0; n < 10; n++) expect(await begun()).toBe('1');
});

test('the start period forgives, and checks at its own pace', async () => {
  const { daemon } = fixture;
  const options = { Interval: 3_600_000 * ms, StartPeriod: 3_600_000 * ms, StartInterval: 10 * ms, Retries: 1 };
  const id = await runDetached(daemon, sleeping, check('[ -e /ok ]', options));
  await eventually('five failures', async () => (await health(id)).Log?.length === 5, { everyMs: 10 });
  expect(await health(id)).toMatchObject({ Status: 'starting', FailingStreak: 0 });
  await cli(daemon, 'docker', ['exec', id, 'touch', '/ok']);
  await becomes(id, 'healthy');
});

test('the image’s check is inherited, its times are overridden one by one, and NONE ends it', async () => {
  const { daemon } = fixture;
  const base = await create(daemon, ['true']);
  const changes = encodeURIComponent('HEALTHCHECK --interval=40ms --retries=7 CMD echo from the image');
  await daemon.api.post(`/commit?container=${base}&repo=checked&changes=${changes}`);
  const inherited = await runDetached(daemon, sleeping, { Image: 'checked' });
  await becomes(inherited, 'healthy');
  expect((await health(inherited)).Log[0]?.Output).toBe('from the image\n');
  const made = await cli(daemon, 'docker', [
    'run',
    '-d',
    '--health-retries',
    '1',
    '--health-interval',
    '20ms',
    'checked',
    ...sleeping,
  ]);
  const { Config } = await daemon.api.get<{ Config: { Healthcheck: object } }>(
    `/containers/${made.stdout.trim()}/json`,
  );
  expect(Config.Healthcheck).toEqual({
    Test: ['CMD-SHELL', 'echo from the image'],
    Interval: 20 * ms,
    Retries: 1,
    Timeout: 0,
    StartPeriod: 0,
    StartInterval: 0,
  });
  const without = await cli(daemon, 'docker', ['run', '-d', '--no-healthcheck', 'checked', ...sleeping]);
  expect((await inspected(without.stdout.trim())).State.Health).toBeUndefined();
  expect((await cli(daemon, 'docker', ['ps', '-q', '--no-trunc', '-f', 'health=none'])).stdout).toBe(without.stdout);
});

test('checks pause with the container, end with it, and begin anew with the next start', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, sleeping, check('true'));
  await becomes(id, 'healthy');
  await daemon.api.post(`/containers/${id}/pause`);
  const paused = await health(id);
  expect(paused.Status).toBe('healthy');
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(await health(id)).toEqual(paused);
  await daemon.api.post(`/containers/${id}/unpause`);
  const last = paused.Log.at(-1)?.Start ?? '';
  await eventually('checks go on', async () => ((await health(id)).Log.at(-1)?.Start ?? '') > last);
  await daemon.api.post(`/containers/${id}/stop?t=0`);
  const stopped = await health(id);
  expect(stopped.Status).toBe('unhealthy');
  expect(stopped.Log.length).toBeGreaterThan(0);
  await daemon.api.post(`/containers/${id}/start`);
  await becomes(id, 'healthy');
});

test('the next daemon goes on where the last one was', async () => {
  const { daemon } = fixture;
  const id = await runDetached(daemon, sleeping, check('[ -e /ok ]', { Retries: 2 }));
  const hanging = await runDetached(daemon, sleeping, check('exec sleep 986', { Timeout: 3_600_000 * ms }));
  await becomes(id, 'unhealthy');
  await eventually('a check hangs', async () => (await inspected(hanging)).ExecIDs !== null);
  const before = await health(id);
  await daemon.crash();
  await daemon.start();
  const after = await health(id);
  expect(after.Status).toBe('unhealthy');
  expect(after.FailingStreak).toBeGreaterThanOrEqual(before.FailingStreak);
  const last = after.Log.at(-1)?.Start ?? '';
  await eventually('checks go on', async () => ((await health(id)).Log.at(-1)?.Start ?? '') > last);
  // The check that hung with the old daemon is killed; the new daemon's own is the only one.
  await eventually('one check hangs', async () => {
    const { Processes } = await daemon.api.get<{ Processes: string[][] }>(`/containers/${hanging}/top`);
    return Processes.flat().filter((word) => word.includes('sleep 986')).length === 1;
  });
  await cli(daemon, 'docker', ['exec', id, 'touch', '/ok']);
  await becomes(id, 'healthy');
});

describe.each(cliNames)('bad flags of %s', (name) => {
  test('are refused', async () => {
    const { daemon } = fixture;
    const attempt = (...flags: string[]) => cli(daemon, name, ['create', ...flags, 'busybox', 'true']);
    expect((await attempt('--health-cmd', 'x', '--health-interval', '1us')).stderr).toContain(
      'Interval in Healthcheck cannot be less than 1ms',
    );
    expect((await attempt('--no-healthcheck', '--health-cmd', 'x')).code).not.toBe(0);
    expect((await attempt('--health-cmd', 'x', '--health-retries', '-1')).code).not.toBe(0);
  });
});

test('wait --condition healthy ends when it is, and fails when it never will be', async () => {
  const { daemon } = fixture;
  const wait = (id: string) => cli(daemon, 'tsdocker', ['wait', '--condition', 'healthy', id]);
  const fine = await create(daemon, sleeping, check('[ -e /ok ]', { Retries: 1000 }), 'fine');
  const waiting = wait(fine);
  await daemon.api.post(`/containers/${fine}/start`);
  await cli(daemon, 'docker', ['exec', fine, 'touch', '/ok']);
  expect(await waiting).toMatchObject({ code: 0, stdout: '0\n' });
  expect(await wait(fine)).toMatchObject({ code: 0 });

  const sick = await runDetached(daemon, sleeping, check('false'), 'sick');
  const unhealthy = await wait(sick);
  expect(unhealthy.code).not.toBe(0);
  expect(unhealthy.stderr).toContain('container sick is unhealthy');

  const short = await runDetached(
    daemon,
    ['sh', '-c', 'sleep 0.2; exit 3'],
    check('true', { Interval: 3_600_000 * ms }),
    'short',
  );
  expect((await wait(short)).stderr).toContain('container short ended with exit code 3 before it was healthy');
  expect((await wait(short)).code).not.toBe(0);
  const none = await daemon.api.send('POST', `/containers/${await create(daemon, sleeping)}/wait?condition=healthy`);
  expect(none.status).toBe(400);
  const gone = await create(daemon, sleeping, check('true'));
  const removed = daemon.api.post<{ StatusCode: number; Error: object }>(`/containers/${gone}/wait?condition=healthy`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await daemon.api.delete(`/containers/${gone}`);
  expect(await removed).toMatchObject({ StatusCode: 1, Error: {} });
});

test('--restart-unhealthy starts anew what turns unhealthy, and leaves alone what a user stops', async () => {
  const { daemon } = fixture;
  // Healthy at its first start only: the mark is in its layer, which stays.
  const made = await cli(daemon, 'tsdocker', [
    ...['run', '-d', '--init', '--restart-unhealthy', '--health-interval', '30ms', '--health-retries', '1'],
    ...[
      '--health-cmd',
      '[ -e /second ]',
      'busybox',
      'sh',
      '-c',
      '[ -e /first ] && touch /second; touch /first; sleep 1000',
    ],
  ]);
  const id = made.stdout.trim();
  await becomes(id, 'healthy');
  expect((await inspected(id)).RestartCount).toBeGreaterThanOrEqual(1);
  // By annotation, for clients that do not know the field; by update.
  const sick = await cli(daemon, 'docker', [
    ...[
      'run',
      '-d',
      '--annotation',
      'io.tsdocker.restart-unhealthy=true',
      '--health-interval',
      '30ms',
      '--health-retries',
      '1',
    ],
    ...['--health-cmd', 'false', '--init', 'busybox', ...sleeping],
  ]);
  const other = sick.stdout.trim();
  await eventually('it has been restarted', async () => (await inspected(other)).RestartCount >= 2);
  await daemon.api.post(`/containers/${other}/stop?t=0`);
  const { RestartCount } = await inspected(other);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await inspected(other)).toMatchObject({ RestartCount, State: { Status: 'exited' } });
  const updated = await runDetached(daemon, sleeping, { ...check('false'), StopTimeout: 0 });
  await becomes(updated, 'unhealthy');
  await cli(daemon, 'tsdocker', ['update', '--restart-unhealthy', updated]);
  const refused = await cli(daemon, 'tsdocker', ['run', '--rm', '--restart-unhealthy', 'busybox', 'true']);
  expect(refused.stderr).toContain('conflicting options');
});
