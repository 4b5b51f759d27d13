// What `explain` says is what the kernel is asked: the same run under strace(1), compared call by call, both ways.
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Body, create } from '../harness/containers.ts';
import { timeFactor } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { childOf, compareCalls, explainedCalls, type Traces, traced } from '../harness/system-calls.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

async function explained(id: string): Promise<string> {
  return (await fixture.daemon.api.get<{ Text: string }>(`/containers/${id}/explain`)).Text;
}

async function startTraced(id: string): Promise<Traces> {
  const { daemon } = fixture;
  const start = async () => {
    expect((await daemon.api.send('POST', `/containers/${id}/start`, { timeoutMs: 60_000 })).status).toBe(204);
  };
  return traced(daemon.pid, start, (traces) => childOf(traces).length > 0);
}

function section(text: string, heading: string): string[] {
  const found = text.split('\n\n').find((part) => part.startsWith(heading));
  if (found === undefined) throw new Error(`explain has no section "${heading}"`);
  return found
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
}

describe('explain and strace agree on the calls of', () => {
  testNeeding('strace')(
    'the engine, before a launch',
    async () => {
      const { daemon } = fixture;
      const id = await create(daemon, ['true'], { HostConfig: { Memory: 64 << 20, PidsLimit: 20 } });
      const text = await explained(id);
      const traces = await startTraced(id);
      const engine = [...traces.values()].find((calls) => calls.some((call) => call.startsWith('fsopen("overlay"')));
      if (engine === undefined) throw new Error('nobody mounts an overlay');

      const rows = section(text, 'The engine, root file system').map((row) => row.replace(/ {2}#.*/, ''));
      const mounted = /^(fsopen|fsconfig|fsmount)\(/;
      const plain = (call: string) =>
        call
          .replace(/^(\w+)\((\d+|context), /, '$1(')
          .replace(/ = .*/, '')
          .replace(/\s+$/, '');
      expect(engine.filter((call) => mounted.test(call)).map(plain)).toEqual(
        rows.filter((row) => mounted.test(row)).map(plain),
      );

      const steps: string[] = [];
      let file = '';
      for (const call of engine) {
        const made = /^mkdir\("(\/sys\/fs\/cgroup\/[^"]*)".* = 0$/.exec(call)?.[1];
        if (made !== undefined) steps.push(`mkdir("${made}", 0755)`);
        const opened = /^openat\(AT_FDCWD, "([^"]*)", O_WRONLY\|O_CLOEXEC\)/.exec(call)?.[1];
        if (opened !== undefined) file = opened;
        else if (call.startsWith('close(')) file = '';
        const written = /^write\(\d+, ("[^"]*"), /.exec(call)?.[1];
        if (written !== undefined && file.startsWith('/sys/fs/cgroup/')) steps.push(`write("${file}", ${written})`);
      }
      const planned = section(text, 'The engine, control groups').filter((row) => !row.includes('(eBPF)'));
      expect(steps).toEqual(planned);
    },
    60_000 * timeFactor,
  );

  const options: Record<string, () => Promise<Body> | Body> = {
    'a container as it is by default': () => ({}),
    'one with a terminal, another user and a read-only root': () => ({
      Tty: true,
      OpenStdin: true,
      User: '1000:1000',
      WorkingDir: '/tmp',
      HostConfig: { ReadonlyRootfs: true, Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }] },
    }),
    'one with mounts of every kind, input and an init': () => {
      const source = `${fixture.daemon.dir}/source`;
      mkdirSync(source, { recursive: true });
      writeFileSync(`${source}/file`, '');
      return {
        OpenStdin: true,
        HostConfig: {
          Init: true,
          Binds: [`${source}:/bind:ro`, `${source}/file:/a-file`, 'kept:/kept'],
          Tmpfs: { '/scratch': 'size=1m,mode=1700' },
          Devices: [
            { PathOnHost: '/dev/null', PathInContainer: '/opt/null', CgroupPermissions: 'r' },
            { PathOnHost: '/dev/null', PathInContainer: '/dev/mine/null', CgroupPermissions: 'rwm' },
          ],
          SecurityOpt: ['no-new-privileges'],
          OomScoreAdj: 100,
        },
      };
    },
    'a privileged one with the host’s network': () => ({
      HostConfig: { Privileged: true, NetworkMode: 'host', CgroupnsMode: 'private', UTSMode: 'host' },
    }),
    'one that shares namespaces with another': async () => {
      const donor = await create(fixture.daemon, ['sleep', '1000'], { HostConfig: { IpcMode: 'shareable' } });
      await fixture.daemon.api.send('POST', `/containers/${donor}/start`);
      const shared = `container:${donor}`;
      return { HostConfig: { PidMode: shared, IpcMode: shared, NetworkMode: shared } };
    },
    'one without any network': () => ({ HostConfig: { NetworkMode: 'none' } }),
  };
  for (const [name, body] of Object.entries(options)) {
    testNeeding('strace')(
      name,
      async () => {
        const id = await create(fixture.daemon, ['sleep', '1000'], await body());
        const text = await explained(id);
        const calls = compareCalls(explainedCalls(text), childOf(await startTraced(id)));
        expect(calls.explained).toEqual(calls.seen);
        expect(calls.seen.length).toBeGreaterThan(200);
      },
      60_000 * timeFactor,
    );
  }
});

describe('a dry run', () => {
  test('says what the container says that it would make', async () => {
    const { daemon } = fixture;
    const body = { Image: 'busybox', Cmd: ['true'], Hostname: 'h', HostConfig: { Tmpfs: { '/tmp': '' } } };
    const dry = (await daemon.api.send('POST', '/explain', { body })).json as { Text: string };
    const id = await create(daemon, ['true'], body);
    const calls = (text: string) => explainedCalls(text).map((call) => call.text.replaceAll(/[0-9a-f]{64}/g, 'ID'));
    expect(calls(dry.Text)).toEqual(calls(await explained(id)));
  });

  test('makes nothing, and names no descriptor that there is not', async () => {
    const { daemon } = fixture;
    const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { Memory: 64 << 20 } };
    const answer = await daemon.api.send('POST', '/explain', { body });
    expect(answer.status).toBe(200);
    const { Text: text } = answer.json as { Text: string };
    for (const word of ['clone3', 'pivot_root', 'execve', 'seccomp', 'capset', `${64 << 20}`])
      expect(text).toContain(word);
    expect(text).not.toContain('-1>');
    expect(text).not.toContain('/fd/-1');
    expect(await daemon.api.get<unknown[]>('/containers/json?all=1')).toEqual([]);
    expect(await daemon.leftovers()).toEqual([]);
  });

  test('on a network that is not there is refused, as the start would be', async () => {
    const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { NetworkMode: 'nosuch' } };
    const answer = await fixture.daemon.api.send('POST', '/explain', { body });
    expect(answer.status).toBe(404);
    expect(answer.json).toEqual({ message: 'network nosuch not found' });
  });
});
