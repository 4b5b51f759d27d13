// Builds by dockerode, docker-py and docker-compose 1.29, unmodified: each reads the classic stream in its own way.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { afterAll, describe, expect, test } from 'vitest';
import { contextTar } from '../harness/build/build-files.ts';
import { cliEnv } from '../harness/clis.ts';
import { testNeeding } from '../harness/needs.ts';
import { mustRun, runCommand } from '../harness/run-command.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const dir = mkdtempSync('/tmp/tsdt-build-');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const files = {
  Dockerfile: 'FROM busybox\nARG WHO=nobody\nCOPY greeting /g\nRUN echo "$(cat /g), $WHO" >/all\nCMD cat /all\n',
  greeting: 'hello\n',
};

describe('dockerode', () => {
  const docker = () => new Docker({ socketPath: fixture.daemon.socketPath });
  const followed = (stream: NodeJS.ReadableStream) =>
    new Promise<{ stream?: string; aux?: { ID: string }; error?: string }[]>((resolve, reject) =>
      docker().modem.followProgress(stream, (error, messages) => (error === null ? resolve(messages) : reject(error))),
    );

  test('buildImage of a stream, with options', async () => {
    const stream = await docker().buildImage(Readable.from([contextTar(files)]), {
      t: 'by-dockerode',
      buildargs: { WHO: 'dockerode' },
      labels: { a: 'b' },
    });
    const messages = await followed(stream);
    expect(messages.find(({ aux }) => aux !== undefined)?.aux?.ID).toMatch(/^sha256:/);
    let text = '';
    const { PassThrough } = await import('node:stream');
    const out = new PassThrough();
    out.on('data', (chunk) => {
      text += chunk;
    });
    await docker().run('by-dockerode', [], out, { Tty: true, HostConfig: { AutoRemove: false } });
    expect(text.trim()).toBe('hello, dockerode');
  });

  test('buildImage of files of a directory, and one that fails', async () => {
    const context = `${dir}/dockerode`;
    mkdirSync(context);
    for (const [name, data] of Object.entries(files)) writeFileSync(`${context}/${name}`, data);
    const messages = await followed(
      await docker().buildImage({ context, src: ['Dockerfile', 'greeting'] }, { t: 'two' }),
    );
    expect(messages.at(-1)?.stream).toBe('Successfully tagged two:latest\n');
    const failing = Readable.from([contextTar({ Dockerfile: 'FROM busybox\nRUN exit 3' })]);
    const failed = await followed(await docker().buildImage(failing));
    expect(failed.at(-1)?.error).toMatch(/returned a non-zero code: 3/);
  });
});

testNeeding('python3 docker module')('docker-py: build of a path and of a file, its log, and BuildError', async () => {
  const context = `${dir}/python`;
  mkdirSync(context);
  for (const [name, data] of Object.entries(files)) writeFileSync(`${context}/${name}`, data);
  const script = `
import docker, io
client = docker.DockerClient(base_url='${fixture.daemon.host}')
image, log = client.images.build(path='${context}', tag='by-python', buildargs={'WHO': 'python'}, labels={'a': 'b'}, rm=True)
print(image.tags, image.labels, any('Successfully built' in line.get('stream', '') for line in log))
print(client.containers.run(image, remove=True, network_mode='none').decode().strip())
image, log = client.images.build(fileobj=io.BytesIO(b'FROM busybox\\nRUN echo from a file\\n'), nocache=True)
print('from a file' in ''.join(line.get('stream', '') for line in log))
stages = b'FROM busybox AS a\\nRUN echo a >/w\\nFROM a\\nRUN echo b >/w\\n'
image, log = client.images.build(fileobj=io.BytesIO(stages), target='a')
print(client.containers.run(image, ['cat', '/w'], remove=True, network_mode='none').decode().strip())
try:
    client.images.build(fileobj=io.BytesIO(b'FROM busybox\\nRUN echo said; exit 5\\n'))
except docker.errors.BuildError as e:
    print(e.msg, 'said\\n' in [line.get('stream') for line in e.build_log])
try:
    client.images.build(fileobj=io.BytesIO(b'FROM busybox\\nNONE\\n'))
except (docker.errors.BuildError, docker.errors.APIError) as e:
    print('unknown instruction' in str(e))
`;
  expect((await mustRun('python3', ['-c', script], { timeoutMs: 60_000 })).split('\n')).toEqual([
    "['by-python:latest'] {'a': 'b'} True",
    'hello, python',
    'True',
    'a',
    "The command '/bin/sh -c echo said; exit 5' returned a non-zero code: 5 True",
    'True',
    '',
  ]);
});

testNeeding('docker-compose', 'docker')('docker-compose 1.29: build, build again, up', async () => {
  const context = `${dir}/compose`;
  mkdirSync(`${context}/app`, { recursive: true });
  for (const [name, data] of Object.entries(files)) writeFileSync(`${context}/app/${name}`, data);
  const composition = `version: "2.4"
services:
  one:
    build: { context: app, args: { WHO: compose } }
    network_mode: none
  two:
    build: { context: app, dockerfile: Second, target: first }
    image: named:1
    network_mode: none
`;
  writeFileSync(`${context}/docker-compose.yml`, composition);
  writeFileSync(`${context}/app/Second`, 'FROM busybox AS first\nCMD echo second\nFROM first\nRUN exit 1\n');
  const options = { cwd: context, env: cliEnv(fixture.daemon), timeoutMs: 60_000 };
  const compose = (...args: string[]) => mustRun('docker-compose', ['-p', 'built', ...args], options);
  const told = await compose('build');
  expect(told).toMatch(/Step 1\/\d+ : FROM busybox/);
  expect(told).toMatch(/Successfully tagged built_one:latest/);
  expect(await compose('build')).toMatch(/Using cache/);
  await compose('up', '--no-color');
  const logs = await compose('logs', '--no-color');
  expect(logs).toMatch(/one_1 +\| hello, compose/);
  expect(logs).toMatch(/two_1 +\| second/);
  await compose('down', '-t', '0');
  writeFileSync(`${context}/app/Second`, 'FROM busybox AS first\nRUN exit 6\n');
  const failed = await runCommand('docker-compose', ['-p', 'built', 'build', 'two'], options);
  expect(failed.code).not.toBe(0);
  expect(`${failed.stderr}${failed.stdout}`).toContain('returned a non-zero code: 6');
});
