import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import Docker from 'dockerode';
import { describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { readTar, tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

function collected(): { stream: PassThrough; text: () => string } {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { stream, text: () => text };
}

// Unversioned, as dockerode sends by default, and with an old and the newest version.
describe.each([undefined, 'v1.41', 'v1.51'])('dockerode with version %s', (version) => {
  const docker = () =>
    new Docker({ socketPath: fixture.daemon.socketPath, ...(version === undefined ? {} : { version }) });

  test('run gives output and status', async () => {
    const out = collected();
    const err = collected();
    const [result, container] = await docker().run(
      'busybox',
      ['sh', '-c', 'echo out; echo err >&2; exit 4'],
      [out.stream, err.stream],
      { Tty: false },
    );
    expect(result.StatusCode).toBe(4);
    // Output and status come over two connections, which dockerode reads in any order.
    await eventually('both streams', () => out.text() !== '' && err.text() !== '');
    expect([out.text(), err.text()]).toEqual(['out\n', 'err\n']);
    await container.remove();
  });

  test('a health check that fails, waited for, ends as unhealthy', async () => {
    const container = await docker().createContainer({
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      Healthcheck: { Test: ['CMD-SHELL', 'exit 1'], Interval: 100e6, Retries: 2 },
    });
    const filters = { type: ['container'], container: [container.id], event: ['health_status'] };
    const events = collected();
    const stream = await docker().getEvents({ filters: JSON.stringify(filters) });
    stream.on('data', (chunk: Buffer) => events.stream.write(chunk));
    await container.start();
    await eventually('unhealthy', async () => (await container.inspect()).State.Health?.Status === 'unhealthy');
    await eventually('the event', () => events.text().includes('"health_status: unhealthy"'));
    (stream as unknown as { destroy(): void }).destroy();
    await container.remove({ force: true });
  });

  test.each([true, false])('attach with stdin, hijack %s', async (isHijacked) => {
    const container = await docker().createContainer({
      Image: 'busybox',
      Cmd: ['cat'],
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
    });
    const stream = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: isHijacked,
    });
    const out = collected();
    container.modem.demuxStream(stream, out.stream, new PassThrough());
    await container.start();
    stream.write('typed\n');
    stream.end();
    expect((await container.wait()).StatusCode).toBe(0);
    if (isHijacked) await eventually('the echo', () => out.text() === 'typed\n');
    await container.remove();
  });

  test('exec, archive, logs, stats, list', async () => {
    const container = await docker().createContainer({
      Image: 'busybox',
      Cmd: ['sh', '-c', 'echo logged; sleep 1000'],
      name: 'rode',
    });
    await container.start();
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'cat; exit 2'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await exec.start({ hijack: true, stdin: true });
    const out = collected();
    container.modem.demuxStream(stream, out.stream, new PassThrough());
    stream.end('into exec\n');
    await once(stream, 'close').catch(() => undefined);
    expect(out.text()).toBe('into exec\n');
    expect((await exec.inspect()).ExitCode).toBe(2);
    await container.putArchive(tarOf([{ name: 'put', data: 'there\n' }]), { path: '/tmp' });
    const chunks: Buffer[] = [];
    for await (const chunk of await container.getArchive({ path: '/tmp/put' }))
      chunks.push(Buffer.from(chunk as Uint8Array));
    expect(readTar(Buffer.concat(chunks))[0]?.data.toString()).toBe('there\n');
    expect((await container.logs({ stdout: true })).toString()).toContain('logged');
    expect((await container.stats({ stream: false })).pids_stats.current).toBeGreaterThan(0);
    const listed = await docker().listContainers({ filters: { name: ['rode'] } });
    expect(listed.map((c) => c.Names)).toEqual([['/rode']]);
    await container.remove({ force: true });
  });

  test('events, ping, info', async () => {
    expect((await docker().ping()).toString()).toBe('OK');
    expect((await docker().version()).ApiVersion).toBe('1.51');
    expect(await docker().info()).toHaveProperty('NCPU');
    const stream = await docker().getEvents({ filters: { type: ['container'] } });
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const [, container] = await docker().run('busybox', ['true'], new PassThrough(), {});
    await container.remove();
    expect(text).toContain('"die"');
    (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
  });
});
