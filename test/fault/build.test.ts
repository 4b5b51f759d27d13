// The daemon is killed while it builds: in a step, while a context comes in, while files are copied, and at each of some calls that change the
// disk. After the next start nothing of the build is left, what it had finished counts or not, and the same build is right.
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { build, OwnBuilder } from '../harness/build/build-engine.ts';
import { type BuildFiles, contextTar } from '../harness/build/build-files.ts';
import { imageFiles } from '../harness/build/image-files.ts';
import { eventually } from '../harness/eventually.ts';
import { processTraces } from '../harness/ledger.ts';
import { testNeeding } from '../harness/needs.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const files: BuildFiles = {
  Dockerfile: `FROM busybox AS a
RUN mkdir /made && seq 1 2000 >/made/numbers && rm -rf /home
COPY many /many
RUN --mount=type=cache,target=/cache echo kept >>/cache/f; cat /many/7 >/seven
FROM busybox
COPY --from=a /made /seven /x/
RUN wc -l </x/numbers >/count
`,
  ...Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`many/${n}`, `file ${n}\n`])),
};

async function expectRight(daemon: TestDaemon, where: string): Promise<void> {
  const { id } = await build(new OwnBuilder(daemon), files);
  const found = await imageFiles(daemon, id);
  expect([found.get('count')?.text, found.get('x/seven')?.text, found.get('home')?.kind], where).toEqual([
    '2000\n',
    'file 7\n',
    'directory',
  ]);
}

/** Sends a build without waiting for it; `bytes` of its context only, when given. */
function begin(daemon: TestDaemon, context: BuildFiles, bytes?: number): void {
  const tar = contextTar(context);
  const headers = { 'Content-Length': String(tar.length) };
  const req = request({ socketPath: daemon.socketPath, method: 'POST', path: '/build', headers, agent: false });
  req.on('error', () => {});
  req.on('response', (answer) => answer.resume().on('error', () => {}));
  if (bytes === undefined) req.end(tar);
  else req.write(tar.subarray(0, bytes));
}

const stepRuns = (daemon: TestDaemon) => () =>
  processTraces({ dir: daemon.dir, cgroupParent: daemon.cgroupParent, pid: daemon.pid }).some((line) =>
    line.includes('sleep 1000'),
  );

test('killed in a step, and while a context comes in', async () => {
  const daemon = await TestDaemon.start();
  try {
    begin(daemon, { Dockerfile: 'FROM busybox\nRUN echo begun >/x && sleep 1000\n' });
    await eventually('the step runs', stepRuns(daemon));
    await daemon.crash();
    await daemon.start();
    expect(await daemon.leftovers()).toEqual([]);
    await expectRight(daemon, 'after a step');

    begin(daemon, { Dockerfile: 'FROM busybox\nCOPY . /x', big: Buffer.alloc(8 << 20, 1) }, 5 << 20);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await daemon.crash();
    await daemon.start();
    expect(await daemon.leftovers()).toEqual([]);
    await expectRight(daemon, 'after a context');
  } finally {
    await daemon.dispose();
  }
}, 60_000);

/** The step between two points: every one would take minutes. */
const families = [
  { name: 'rename', calls: 'rename,renameat,renameat2', step: 3 },
  { name: 'sync and write', calls: 'fsync,fdatasync,syncfs,pwrite64', step: 9 },
  { name: 'mkdir and unlink', calls: 'mkdir,mkdirat,unlink,unlinkat,rmdir', step: 9 },
];

for (const { name, calls, step } of families) {
  testNeeding('strace')(
    `killed at a ${name} of a build’s way`,
    async () => {
      const plain = new TestDaemon();
      await plain.start();
      await plain.importBusybox();
      const deadline = Date.now() + 12_000;
      let kills = 0;
      try {
        for (let n = 1; n < 300 && Date.now() < deadline; n += step) {
          await plain.api.send('POST', '/build/prune?all=1');
          await plain.stop();
          const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:signal=KILL:when=${n}`];
          const traced = new TestDaemon({
            dir: plain.dir,
            wrapper: ['strace', '-f', '-o', '/dev/null', ...inject],
            network: plain.network,
          });
          traced.spawn();
          await traced.ready({ timeoutMs: 15_000 }).catch(() => {});
          const isDone =
            traced.isRunning &&
            (await new OwnBuilder(traced).tryBuild(files).catch(() => undefined))?.error === undefined &&
            traced.isRunning;
          if (traced.isRunning) await traced.stop('SIGKILL').catch(() => {});
          else kills++;
          await plain.start({ timeoutMs: 10_000 });
          expect(await plain.leftovers(), `${name} ${n}`).toEqual([]);
          await expectRight(plain, `${name} ${n}`);
          if (isDone) break;
        }
        expect(kills, 'points at which the daemon was killed').toBeGreaterThan(0);
      } finally {
        await plain.dispose();
      }
    },
    60_000,
  );
}
