// docker's command line without buildx, which sends a classic build: as it is used, and as its users read it.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, expect } from 'vitest';
import { contextTar } from '../harness/build/build-files.ts';
import { cli } from '../harness/clis.ts';
import { testNeeding } from '../harness/needs.ts';
import type { CommandOptions } from '../harness/run-command.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const dir = mkdtempSync('/tmp/tsdt-build-');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Also where buildx is installed. */
const env = { DOCKER_BUILDKIT: '0' };
const docker = (args: readonly string[], options: CommandOptions = {}) =>
  cli(fixture.daemon, 'docker', args, { env, timeoutMs: 60_000, ...options });
const printed = async (...args: string[]) => {
  const result = await docker(args);
  expect(result, args.join(' ')).toMatchObject({ code: 0 });
  return result.stdout;
};

const dockerfile = `# syntax=docker/dockerfile:1
FROM busybox AS base
ARG GREETING=hello
RUN --mount=type=cache,target=/c echo "$GREETING" >/greeting
FROM base AS extra
COPY <<EOF /doc
a document
EOF
FROM base
COPY . /ctx/
CMD cat /greeting; ls /ctx
`;

function context(name: string): string {
  const path = `${dir}/${name}`;
  mkdirSync(`${path}/sub`, { recursive: true });
  writeFileSync(`${path}/Dockerfile`, dockerfile);
  writeFileSync(`${path}/Other.Dockerfile`, 'FROM busybox\nCMD echo other\n');
  writeFileSync(`${path}/.dockerignore`, 'ignored\n*Dockerfile\n.dockerignore\n');
  writeFileSync(`${path}/ignored`, '');
  writeFileSync(`${path}/kept`, '');
  writeFileSync(`${path}/sub/file`, '');
  symlinkSync('kept', `${path}/link`);
  return path;
}

testNeeding('docker')('builds a directory, tells its steps, and runs what came of it', async () => {
  const path = context('directory');
  const told = await printed('build', '-t', 'cli:1', '-t', 'cli:2', '--label', 'by=docker', path);
  expect(told).toMatch(/^Step 1\/\d+ : FROM busybox AS base\n ---> [0-9a-f]{12}\n/m);
  expect(told).toMatch(/Successfully built [0-9a-f]{12}\nSuccessfully tagged cli:1\nSuccessfully tagged cli:2\n$/);
  expect(await printed('run', '--rm', '--network', 'none', 'cli:2')).toBe('hello\nkept\nlink\nsub\n');
  expect(await printed('image', 'inspect', '-f', '{{.Config.Labels.by}}', 'cli:1')).toBe('docker\n');
  expect(await printed('build', path)).toMatch(/ ---> Using cache\n/);
  expect(await printed('history', '--format', '{{.ID}}', 'cli:1')).toMatch(/^[0-9a-f]{12}\n(<missing>\n)+$/);
});

testNeeding('docker')('arguments, targets, other Dockerfiles, the id in a file, and quietly', async () => {
  const path = context('flags');
  await printed('build', '--build-arg', 'GREETING=good day', '-t', 'flags', path);
  expect(await printed('run', '--rm', '--network', 'none', 'flags', 'cat', '/greeting')).toBe('good day\n');
  await printed('build', '--target', 'extra', '-t', 'target', path);
  expect(await printed('run', '--rm', '--network', 'none', 'target', 'cat', '/doc')).toBe('a document\n');
  await printed('build', '-f', `${path}/Other.Dockerfile`, '-t', 'other', path);
  expect(await printed('run', '--rm', '--network', 'none', 'other')).toBe('other\n');
  const id = await printed('build', '-q', '--no-cache', '--iidfile', `${dir}/id`, path);
  expect(id).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  const limits = ['--memory', '64m', '--shm-size', '8m', '--ulimit', 'nofile=99:99', '--add-host', 'h:10.0.0.9'];
  const told = await printed('build', '--no-cache', ...limits, '-f', limited(path), path);
  expect(told).toContain('\n99\n8192\n10.0.0.9\n');
});

function limited(path: string): string {
  const file = `${path}/Limited`;
  const shm = "df -k /dev/shm | awk 'END { print $2 }'";
  writeFileSync(file, `FROM busybox\nRUN ulimit -n; ${shm}; awk '$2 == "h" { print $1 }' /etc/hosts\n`);
  return file;
}

testNeeding('docker')('a Dockerfile and a tar on standard input', async () => {
  const piped = await docker(['build', '-q', '-'], { input: 'FROM busybox\nRUN true\n', env });
  expect(piped).toMatchObject({ code: 0 });
  const tar = contextTar({ Dockerfile: 'FROM busybox\nCOPY f /f\nCMD cat /f', f: 'from a tar\n' });
  expect(await docker(['build', '-t', 'tarred', '-'], { input: tar, env })).toMatchObject({ code: 0 });
  expect(await printed('run', '--rm', '--network', 'none', 'tarred')).toBe('from a tar\n');
});

testNeeding('docker')('what fails: the command’s status, words for what is wrong, nothing tagged', async () => {
  const path = context('failing');
  writeFileSync(`${path}/Fail`, 'FROM busybox\nRUN echo before; exit 42\n');
  const failed = await docker(['build', '-t', 'failed', '-f', `${path}/Fail`, path]);
  expect(failed.code).toBe(42);
  expect(failed.stderr).toContain("The command '/bin/sh -c echo before; exit 42' returned a non-zero code: 42");
  expect(failed.stdout).toContain('before\n');
  writeFileSync(`${path}/Wrong`, 'FROM busybox\nRUNN true\n');
  const wrong = await docker(['build', '-f', `${path}/Wrong`, path]);
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('unknown instruction: RUNN') });
  writeFileSync(`${path}/Missing`, 'FROM busybox\nCOPY none /x\n');
  const missing = await docker(['build', '-f', `${path}/Missing`, path]);
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('none') });
  expect((await docker(['image', 'inspect', 'failed'])).code).toBe(1);
});

testNeeding('docker')('builder prune takes away what builds keep, and the next one does its steps again', async () => {
  const path = context('prune');
  await printed('build', path);
  expect(await printed('builder', 'prune', '-a', '-f')).toMatch(/Total reclaimed space: /);
  const told = await printed('build', path);
  expect(told).toMatch(/Step \d+\/\d+ : RUN [^\n]*\n ---> Running in [0-9a-f]{12}/);
});
