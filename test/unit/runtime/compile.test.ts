// Programs as text: what a container is made of, call by call. A change here is a change of what containers are: read it twice.
// `vitest -u` writes the golden files anew.
import { describe, expect, test } from 'vitest';
import type { ResolvedConfig } from '../../../daemon/docker-types/container-config.ts';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import { buildSpec } from '../../../daemon/runtime/build-spec.ts';
import type { NamespacePlan, SpecInput } from '../../../daemon/runtime/container-input.ts';
import type { HostFacts } from '../../../daemon/runtime/host-facts.ts';
import type { OciSpec } from '../../../daemon/runtime/oci-spec.ts';
import { compileProgram } from '../../../daemon/runtime/program/compile-container.ts';
import { compileExec } from '../../../daemon/runtime/program/exec-program.ts';
import { encodeProgram, type Program } from '../../../daemon/runtime/program/program.ts';
import type { ContainerHandles } from '../../../daemon/runtime/program/program-handles.ts';
import type { ResolvedMount } from '../../../daemon/spec/mount.ts';
import { specOf } from '../spec/spec-of.ts';
import { disassemble } from './disassemble.ts';

const CAPABILITIES = (1n << 41n) - 1n;
const facts: HostFacts = {
  lastCapability: 40,
  capabilities: CAPABILITIES,
  limits: new Map(),
  oomScoreAdj: 0,
  arch: 'x64',
  kernel: [6, 1],
  hostname: 'host',
  cpus: 2,
  seccomp: true,
  apparmor: false,
  timeNamespaces: true,
};
const privateNamespaces: NamespacePlan = {
  pid: 'private',
  ipc: 'private',
  uts: 'private',
  network: 'private',
  cgroup: 'private',
};

interface Case {
  hostConfig?: HostConfig;
  config?: Partial<ResolvedConfig>;
  namespaces?: Partial<NamespacePlan>;
  cgroupVersion?: 1 | 2;
  handles?: Partial<ContainerHandles>;
}

function specInput({ hostConfig = {}, config = {}, namespaces = {}, cgroupVersion = 1 }: Case): SpecInput {
  const full = {
    Hostname: 'abc',
    Domainname: '',
    Env: ['A=b'],
    Cmd: ['sh', '-c', 'true'],
    Entrypoint: null,
    WorkingDir: '',
    Tty: false,
    OpenStdin: false,
    Volumes: null,
    User: '',
    ...config,
  } as ResolvedConfig;
  return {
    id: 'f'.repeat(64),
    container: specOf(hostConfig, full),
    user: { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root' },
    managedFiles: { hosts: '/data/hosts', hostname: '/data/hostname', resolvConf: '/data/resolv.conf' },
    namespaces: { ...privateNamespaces, ...namespaces },
    cgroupPath: '/tsdocker/f',
    cgroupVersion,
    facts,
  };
}

function handlesFor(
  spec: OciSpec,
  mounts: readonly ResolvedMount[],
  more: Partial<ContainerHandles>,
): ContainerHandles {
  let next = 6;
  const binds = new Map(
    mounts.filter(({ type }) => type === 'bind').map(({ target }) => [target, { fd: next++, isDirectory: true }]),
  );
  const kinds = [...spec.linux.maskedPaths, ...spec.linux.readonlyPaths].map(
    (path) => [path, path === '/proc/acpi' || path.startsWith('/sys') ? 'directory' : 'file'] as const,
  );
  return {
    logFd: 3,
    runFd: 4,
    rootFd: 5,
    log: { nextSeq: 0, maxBytes: 10_000_000, maxFiles: 3 },
    openStdin: false,
    cgroup: {
      tasksFiles: ['/sys/fs/cgroup/memory/tsdocker/f/tasks', '/sys/fs/cgroup/cpu,cpuacct/tsdocker/f/tasks'],
      mounts: [
        { source: '/sys/fs/cgroup/memory/tsdocker/f', name: 'memory' },
        { source: '/sys/fs/cgroup/cpu,cpuacct/tsdocker/f', name: 'cpu,cpuacct' },
      ],
      symlinks: [{ name: 'cpu', target: 'cpu,cpuacct' }],
      oom: { file: '/sys/fs/cgroup/memory/tsdocker/f/memory.oom_control', key: 'oom_kill' },
    },
    cgroupFd: -1,
    seccomp: spec.linux.seccomp && { bpf: Buffer.alloc(16), flags: 0 },
    ownCapabilities: CAPABILITIES,
    keyring: '_ses.f',
    init: false,
    stagingDir: '/run/staging',
    joined: {},
    binds,
    pathKinds: new Map(kinds),
    firstFreeFd: 40,
    ...more,
  };
}

function compile(options: Case): { spec: OciSpec; program: Program; text: string } {
  const input = specInput(options);
  const spec = buildSpec(input);
  const program = compileProgram(spec, handlesFor(spec, input.container.mounts, options.handles ?? {}));
  // What the launcher would refuse fails here.
  encodeProgram(program);
  return { spec, program, text: `${disassemble(program).join('\n')}\n` };
}

describe('golden programs', () => {
  test('a default container', async () => {
    const { spec, text } = compile({});
    await expect(text).toMatchFileSnapshot('golden/default.txt');
    const { seccomp: _, ...linux } = spec.linux;
    await expect(`${JSON.stringify({ ...spec, linux }, undefined, 2)}\n`).toMatchFileSnapshot(
      'golden/default.spec.txt',
    );
  });

  test('a terminal, a user, limits, read-only, control groups v2', async () => {
    const { text } = compile({
      cgroupVersion: 2,
      config: { Tty: true, WorkingDir: '/srv' },
      hostConfig: {
        ReadonlyRootfs: true,
        Tmpfs: { '/tmp': 'size=1m' },
        Binds: ['/a:/x/y:ro', '/b:/x:rslave'],
        Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
        SecurityOpt: ['no-new-privileges'],
        CapDrop: ['ALL'],
        Sysctls: { 'net.core.somaxconn': '99' },
      },
      handles: { cgroupFd: 30, cgroup: { tasksFiles: [], v2Dir: '/c', mounts: [], symlinks: [] }, init: true },
    });
    await expect(text).toMatchFileSnapshot('golden/options.txt');
  });

  test('namespaces of the host and of another container', async () => {
    const { text } = compile({
      config: { Hostname: '' },
      hostConfig: { SecurityOpt: ['seccomp=unconfined', 'systempaths=unconfined'] },
      namespaces: { pid: { pid: 7 }, ipc: { pid: 7 }, network: { pid: 7 }, uts: 'host', cgroup: 'host' },
      handles: { joined: { pid: 20, network: 21, ipc: 22, shmMount: { theirs: 23, own: 24 } } },
    });
    await expect(text).toMatchFileSnapshot('golden/joined.txt');
  });

  test('exec with a terminal', async () => {
    const { spec } = compile({});
    const process = { ...spec.process, terminal: true, args: ['/bin/sh'], cwd: '/tmp' };
    const {
      joined: _,
      binds: __,
      pathKinds: ___,
      stagingDir: ____,
      rootFd: _____,
      ...handles
    } = handlesFor(spec, [], {});
    const program = compileExec(process, { ...handles, pidFd: 5, timeNamespaces: true, isTraceable: false });
    encodeProgram(program);
    await expect(`${disassemble(program).join('\n')}\n`).toMatchFileSnapshot('golden/exec.txt');
  });
});

describe('the order of a program', () => {
  const positions = (program: Program, name: string) =>
    program.ops.flatMap(({ op }, index) => (op === name ? [index] : []));
  const first = (program: Program, name: string) => positions(program, name)[0] ?? -1;

  test('nothing of the host’s is opened by name once its root is gone, and the root is never entered before', () => {
    const { program } = compile({ hostConfig: { Binds: ['/a:/b'] } });
    const pivot = first(program, 'pivot_root');
    for (const [index, { op, args }] of program.ops.entries()) {
      const opensHostPath = op === 'open_tree' && args[1] === -100;
      if (opensHostPath) expect(index).toBeLessThan(pivot);
      if (op === 'fsmount' || op === 'mknodat' || op === 'chdir') expect(index).toBeGreaterThan(pivot);
    }
  });

  test('the process is in its control groups before anything else', () => {
    const { program } = compile({});
    expect(first(program, 'write')).toBe(first(program, 'clone3') + 1);
  });

  test('privileges fall in the right order', () => {
    const { program } = compile({});
    const names = program.ops.map(({ op }) => op);
    const tail = names.slice(names.indexOf('capbset'));
    expect(tail).toEqual([
      ...['capbset', 'prctl', 'setgroups', 'setresgid', 'setresuid', 'capset', 'prctl', 'seccomp', 'capset', 'umask'],
      'execve',
    ]);
  });

  test('no capability beyond the container’s survives, but for SYS_ADMIN until the filter is in', () => {
    const { program } = compile({});
    const [interim, final] = program.ops.filter(({ op }) => op === 'capset').map(({ args }) => args);
    expect(interim?.[0]).toBe(0xa80425fbn | (1n << 21n));
    expect(final).toEqual([0xa80425fbn, 0xa80425fbn, 0, 0]);
  });

  test('sysctls are written to a procfs that is not attached yet', () => {
    const { program } = compile({ hostConfig: { Sysctls: { 'kernel.msgmax': '1' } } });
    const write = program.ops.findIndex(({ op, args }) => op === 'write' && args[1] === 'sys/kernel/msgmax');
    const proc = program.ops.findIndex(({ op, args }) => op === 'fsmount' && args[1] === 'proc');
    const attach = program.ops.findIndex(({ op, args }) => op === 'move_mount' && args[1] === '/proc');
    expect([proc < write, write < attach]).toEqual([true, true]);
    // BENEATH, NO_XDEV, NO_SYMLINKS.
    expect(program.ops[write]?.args[2]).toBe(0x8 | 0x1 | 0x4);
  });

  test('/dev is filled before it is attached', () => {
    const { program } = compile({});
    const attach = program.ops.findIndex(({ op, args }) => op === 'move_mount' && args[1] === '/dev');
    const dev = program.ops[attach]?.args[0];
    const made = program.ops.flatMap(({ op, args }, index) =>
      (op === 'mknodat' && args[0] === dev) || (op === 'symlinkat' && args[1] === dev) ? [index] : [],
    );
    expect(made.length).toBeGreaterThan(10);
    for (const index of made) expect(index).toBeLessThan(attach);
  });
});

describe('the spec', () => {
  test('privileged: everything, no filter, writable', () => {
    const { spec } = compile({ hostConfig: { Privileged: true } });
    expect(spec.process.capabilities?.bounding).toHaveLength(41);
    expect(spec.linux.seccomp).toBeUndefined();
    expect(spec.linux.maskedPaths).toEqual([]);
    expect(spec.mounts.find(({ destination }) => destination === '/sys')?.options).toContain('rw');
    expect(spec.mounts.find(({ destination }) => destination === '/sys/fs/cgroup')?.options).toContain('rw');
  });

  test('a bind over /dev replaces all of the engine’s below it', () => {
    const { spec } = compile({ hostConfig: { Binds: ['/dev:/dev'] } });
    expect(spec.mounts.filter(({ destination }) => destination.startsWith('/dev')).map(({ source }) => source)).toEqual(
      ['/dev'],
    );
  });

  test('mounts come after their parents, those of the user and the files of the engine', () => {
    const { spec } = compile({ hostConfig: { Binds: ['/a:/x/y/z', '/b:/x', '/c:/x/y', '/d:/etc'] } });
    const managed = ['/etc/resolv.conf', '/etc/hostname', '/etc/hosts'];
    const order = spec.mounts.slice(-7).map(({ destination }) => destination);
    expect(order).toEqual(['/x', '/etc', ...managed, '/x/y', '/x/y/z']);
  });

  test('the files of the engine are not put on a mount that is shared with the host', () => {
    const { spec } = compile({ hostConfig: { Binds: ['/a:/etc:rshared', '/b:/x:rslave'] } });
    expect(spec.mounts.filter(({ destination }) => destination.startsWith('/etc')).map(({ source }) => source)).toEqual(
      ['/a'],
    );
  });

  test('a read-only tmpfs is closed when it has its mount points', () => {
    const { text } = compile({ hostConfig: { Tmpfs: { '/etc': 'ro', '/alone': 'ro' } } });
    const lines = text.split('\n');
    const at = (words: string) => lines.findIndex((line) => line.includes(words));
    expect(at('has its mount points now')).toBeGreaterThan(at('/etc/hosts'));
    expect(lines.filter((line) => line.includes('has its mount points now'))).toHaveLength(1);
  });

  test('the environment: defaults, TERM, what is asked, HOME', () => {
    const { spec } = compile({ config: { Tty: true, Env: ['HOSTNAME=other', 'X=1', 'X=2', 'TERM', 'EMPTY='] } });
    expect(spec.process.env).toEqual([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOSTNAME=other',
      'X=2',
      'EMPTY=',
      'HOME=/root',
    ]);
  });

  test('no command is an error', () => {
    expect(() => compile({ config: { Cmd: null } })).toThrow('no command specified');
  });

  test('host namespaces are not in the list', () => {
    const { spec } = compile({ namespaces: { network: 'host', pid: 'host' } });
    expect(spec.linux.namespaces.map(({ type }) => type)).toEqual(['mount', 'uts', 'ipc', 'cgroup', 'time']);
    expect(spec.linux.sysctl).toEqual({});
  });
});
