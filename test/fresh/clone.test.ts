// From README's words to a container, on systems that never had tsdocker: Debian 12 with what README asks for and Debian's own Node and npm,
// Debian 13 with nothing, and every Node and npm that people have.
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { newestGlibc, readElf } from '../harness/elf.ts';
import { debianBase, freshDir } from '../harness/fresh-base.ts';
import { FreshSystem } from '../harness/fresh-system.ts';
import { testNeeding } from '../harness/needs.ts';
import { projectRoot } from '../harness/paths.ts';
import { runCommand } from '../harness/run-command.ts';

const freshTest = testNeeding('debootstrap', 'a Debian mirror', 'npm’s registry', 'overlay mounts');
/** README's list, and nothing else. */
const readmePackages = ['npm', 'make', 'gcc', 'g++', 'libc6-dev', 'libseccomp2', 'busybox-static'];
/** The steps as README has them, without sudo. */
const readmeSteps = `
  npm ci && npm run build || exit
  bin/tsdockerd >/tmp/daemon.log 2>&1 &
  for i in $(seq 300); do bin/tsdocker version >/dev/null 2>&1 && break; sleep 0.1; done
  scripts/make-image | bin/tsdocker import -c 'CMD ["sh"]' - busybox
  bin/tsdocker run --rm busybox id`;

function expectOwnBinaries(system: FreshSystem): void {
  for (const name of ['ref.node', 'ffi.node']) {
    const elf = readElf(system.path(`/opt/tsdocker/dist/linux-${process.arch}/${name}`));
    expect(elf.libraries.filter((library) => /libnode|libv8|libstdc/.test(library))).toEqual([]);
    expect(elf.libraries).toContain('libc.so.6');
  }
}

describe('Debian 12, with its own Node 18 and npm 9', () => {
  let system: FreshSystem;
  beforeAll(async () => {
    if (freshTest.isSkipped) return;
    system = await FreshSystem.start({ suite: 'bookworm', base: await debianBase('bookworm', readmePackages) });
    await system.clone('/opt/tsdocker');
  });
  afterAll(() => system?.dispose());

  freshTest('npm pack of a clone that was not built makes nothing', async () => {
    const { code, stderr } = await system.run('cd /opt/tsdocker && npm pack');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/no pinned Node at .*: run 'npm ci' first/);
    expect(await system.must('ls /opt/tsdocker')).not.toMatch(/\.tgz/);
  });

  freshTest('the steps of README end in a container, and ask nobody but npm’s registry', async () => {
    const output = await system.must(`cd /opt/tsdocker && ${readmeSteps}`);
    expect(output).toMatch(/uid=0\(root\) gid=0\(root\)[^\n]*\n$/);
    expect(await system.must('node --version; npm --version')).toMatch(/^v18\.\d+\.\d+\n9\./);
    expect(system.refusedHosts).toEqual([]);
    expectOwnBinaries(system);
    const ffi = readElf(system.path(`/opt/tsdocker/dist/linux-${process.arch}/ffi.node`));
    expect(newestGlibc(ffi)[1]).toBeLessThanOrEqual(34);
  });

  freshTest('a package of the built clone has all that runs', async () => {
    const list = await system.must(
      'cd /opt/tsdocker && npm pack --silent && tar tzf tsdocker-*.tgz && rm tsdocker-*.tgz',
    );
    const files = [
      'bin/tsdocker',
      'bin/exec-node',
      'dist/daemon.mjs',
      'dist/jail-worker.mjs',
      'dist/zstd-program.mjs',
      'dist/xattrs.mjs',
      'dist/cli/client.cjs',
    ];
    for (const file of [...files, `dist/linux-${process.arch}/ffi.node`]) expect(list).toContain(`package/${file}\n`);
    expect(list).not.toMatch(/\.map$|client\.cache|node_modules/m);
  });

  freshTest('gcc 12 finds nothing to warn of', async () => {
    await system.must('cd /opt/tsdocker && CI=1 make -s -B -C native-bindings/launcher LAUNCHER=/tmp/launcher');
  });

  // Each brings the sources of the FFI anew, which are compiled again then.
  for (const [node, npm] of [
    ['18.20.8', '9.9.4'],
    ['20.20.2', '10.9.9'],
    ['22.23.5', '11.21.2'],
    ['26.12.1', '11.21.2'],
  ] as const) {
    freshTest(`npm ci and npm run build with Node ${node} and npm ${npm}`, async () => {
      await system.installNode(node, npm);
      const output = await system.must(`cd /opt/tsdocker && rm -rf node_modules native-bindings/addons/node_modules dist
        npm ci --no-audit && npm run build && bin/tsdockerd --version && bin/tsdocker --version && node --version`);
      expect(output).toMatch(new RegExp(`tsdocker daemon version .*\ntsdocker version .*\nv${node}\n$`));
      expect(system.refusedHosts).toEqual([]);
    });
  }

  freshTest('without a compiler the build says what to install', async () => {
    const { code, stderr } = await system.run('cd /opt/tsdocker && CXX=nothing npm run build');
    expect(code).toBe(1);
    expect(stderr).toContain('build: no C++ compiler: apt-get install make gcc g++ libc6-dev\n');
  });
});

describe('Debian 13, with nothing', () => {
  let system: FreshSystem;
  beforeAll(async () => {
    if (freshTest.isSkipped) return;
    system = await FreshSystem.start({ suite: 'trixie', base: await debianBase('trixie', []), mirror: true });
    await system.clone('/opt/tsdocker');
  });
  afterAll(() => system?.dispose());

  freshTest('scripts/start installs what is missing, says so, and ends in a container', async () => {
    const result = await system.run('/opt/tsdocker/scripts/start sh -c "echo from a container; id -u"');
    expect(result, result.stderr.slice(-2000)).toMatchObject({ code: 0, stdout: 'from a container\n0\n' });
    expect(result.stderr).toMatch(/^system-packages: apt-get install npm make gcc g\+\+ libc6-dev busybox-static/m);
    expect(result.stderr).toMatch(/^modules: npm ci\n/m);
    expect(result.stderr).toMatch(/starting one/);
    expect(system.refusedHosts).toEqual([]);
    expectOwnBinaries(system);
  });

  freshTest('the second time it installs and builds nothing', async () => {
    const { stdout, stderr } = await system.run('/opt/tsdocker/scripts/start id -u');
    expect(stdout).toBe('0\n');
    expect(stderr).not.toMatch(/installing|apt-get|npm ci|building/);
  });

  freshTest('gcc 14 finds nothing to warn of', async () => {
    expect(await system.must('gcc -dumpversion')).toBe('14\n');
    await system.must('cd /opt/tsdocker && CI=1 make -s -B -C native-bindings/launcher LAUNCHER=/tmp/launcher');
  });
});

testNeeding('clang')('clang finds nothing to warn of, and the user’s flags count', async () => {
  const make = [
    '-B',
    '-C',
    'native-bindings/launcher',
    `LAUNCHER=${freshDir}/launcher-clang`,
    'CC=clang',
    'CFLAGS=-O1 -DMINE',
  ];
  const result = await runCommand('make', make, { cwd: projectRoot, env: { CI: '1' }, timeoutMs: 120_000 });
  expect(result, result.stderr).toMatchObject({ code: 0, stderr: '' });
  expect(result.stdout).toMatch(/-Werror .* -O1 -DMINE /);
});
