// The instructions that set what an image says of itself, and those of them that RUN feels.
import { expect, test } from 'vitest';
import { build, failureOf, imageOf, outputOf } from '../../harness/build/build-engine.ts';
import { imageConfig, imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();
const settings = async (dockerfile: string) =>
  imageConfig(fixture.engine, await imageOf(fixture.engine, `FROM busybox\n${dockerfile}`));

const second = 1e9;

test('HEALTHCHECK in both forms with its options, NONE, and what is wrong', async () => {
  const options = '--interval=5s --timeout=1m30s --start-period=500ms --start-interval=2s --retries=7';
  expect((await settings(`HEALTHCHECK ${options} CMD test -e /ok`)).Healthcheck).toEqual({
    Test: ['CMD-SHELL', 'test -e /ok'],
    Interval: 5 * second,
    Timeout: 90 * second,
    StartPeriod: second / 2,
    StartInterval: 2 * second,
    Retries: 7,
  });
  expect((await settings('HEALTHCHECK CMD ["test", "-e", "/ok"]')).Healthcheck).toEqual({
    Test: ['CMD', 'test', '-e', '/ok'],
  });
  expect((await settings('HEALTHCHECK CMD one\nHEALTHCHECK CMD two')).Healthcheck).toEqual({
    Test: ['CMD-SHELL', 'two'],
  });
  expect((await settings('HEALTHCHECK CMD one\nHEALTHCHECK NONE')).Healthcheck).toEqual({ Test: ['NONE'] });
  for (const line of [
    'HEALTHCHECK',
    'HEALTHCHECK TEST x',
    'HEALTHCHECK CMD',
    'HEALTHCHECK --interval=soon CMD x',
    'HEALTHCHECK --retries=-1 CMD x',
    'HEALTHCHECK --interval=1us CMD x',
    'HEALTHCHECK NONE x',
  ]) {
    await failureOf(fixture.engine, { Dockerfile: `FROM busybox\n${line}` });
  }
});

test('a container of the image is checked as its HEALTHCHECK says', async () => {
  const { engine } = fixture;
  const image = await imageOf(
    engine,
    'FROM busybox\nHEALTHCHECK --interval=50ms --retries=1 CMD test -e /ok\nCMD ["sleep", "1000"]',
  );
  const made = await engine.api.post<{ Id: string }>('/containers/create', {
    Image: image,
    HostConfig: { NetworkMode: 'none' },
  });
  try {
    await engine.api.post(`/containers/${made.Id}/start`);
    let status = 'starting';
    while (status === 'starting') {
      const { State } = await engine.api.get<{ State: { Health: { Status: string } } }>(`/containers/${made.Id}/json`);
      status = State.Health.Status;
    }
    expect(status).toBe('unhealthy');
  } finally {
    await engine.api.delete(`/containers/${made.Id}?force=1`);
  }
});

test('WORKDIR is made, follows the one before it, and belongs to the USER', async () => {
  const dockerfile = `FROM busybox
USER 7:8
WORKDIR /a
WORKDIR b/c
WORKDIR ../d
RUN pwd; ls -ldn . | cut -c1-10; stat -c '%u:%g' . ../c
WORKDIR /
WORKDIR here/
`;
  const { id, output } = await build(fixture.engine, { Dockerfile: dockerfile }, { noCache: true });
  expect(output).toBe('/a/b/d\ndrwxr-xr-x\n7:8\n7:8\n');
  expect((await imageConfig(fixture.engine, id)).WorkingDir).toBe('/here');
});

test('USER by name, id and group, for RUN and for the container', async () => {
  const dockerfile = `FROM busybox
USER www-data
RUN id -u; id -g
USER www-data:mail
RUN id -u; id -g
USER 4711
RUN id -u; id -g
USER 4711:4712
RUN id -u; id -g
`;
  const { id, output } = await build(fixture.engine, { Dockerfile: dockerfile }, { noCache: true });
  expect(output.trim().split('\n')).toEqual(['33', '33', '33', '8', '4711', '0', '4711', '4712']);
  expect(await outputOf(fixture.engine, id, { Cmd: ['id', '-u'] })).toBe('4711\n');
  await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nUSER nobody-such\nRUN true' });
});

test('VOLUME in both forms; what is written below it stays in the image and is what a new volume has', async () => {
  const { engine } = fixture;
  const dockerfile =
    'FROM busybox\nVOLUME /one two\nVOLUME ["/three", "/with space"]\nRUN mkdir /one && echo later >/one/file';
  const image = await imageOf(engine, dockerfile);
  expect((await imageConfig(engine, image)).Volumes).toEqual({ '/one': {}, two: {}, '/three': {}, '/with space': {} });
  expect((await imageFiles(engine, image)).get('one/file')?.text).toBe('later\n');
  const kept = await imageOf(engine, 'FROM busybox\nVOLUME /one\nRUN mkdir /one && echo later >/one/file');
  expect(await outputOf(engine, kept, { Cmd: ['cat', '/one/file'] })).toBe('later\n');
});

test('EXPOSE with protocols and ranges', async () => {
  expect((await settings('EXPOSE 80 53/udp 7000-7002 9/TCP')).ExposedPorts).toEqual({
    '80/tcp': {},
    '53/udp': {},
    '7000/tcp': {},
    '7001/tcp': {},
    '7002/tcp': {},
    '9/tcp': {},
  });
  await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nEXPOSE many' });
});

test('LABEL with quotes, several in a line, and the client’s after all of them', async () => {
  const dockerfile = `FROM busybox
LABEL a=1 "b c"="d e" f=g\\ h i="j\\
k"
LABEL a=2
`;
  const image = await imageOf(fixture.engine, dockerfile, {}, { labels: { a: 'client', z: '26' } });
  expect((await imageConfig(fixture.engine, image)).Labels).toEqual({
    a: 'client',
    'b c': 'd e',
    f: 'g h',
    i: 'jk',
    z: '26',
  });
});

test('STOPSIGNAL by name and number, MAINTAINER', async () => {
  expect((await settings('STOPSIGNAL SIGQUIT')).StopSignal).toBe('SIGQUIT');
  expect((await settings('STOPSIGNAL 9')).StopSignal).toBe('9');
  await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nSTOPSIGNAL SIGNONE' });
  const image = await imageOf(fixture.engine, 'FROM busybox\nMAINTAINER Somebody <some@body>');
  expect((await fixture.engine.api.get(`/images/${image}/json`)).Author).toBe('Somebody <some@body>');
});

test('what a step is given for its time is not in the image', async () => {
  const { engine } = fixture;
  const dockerfile = `FROM scratch
COPY --from=busybox /bin /bin
RUN echo own >>/etc/hosts || true; hostname changed 2>/dev/null; mount | grep -c . >/dev/null; touch /dev/x /proc/x /sys/x 2>/dev/null; mkdir /made
`;
  const image = await imageOf(engine, dockerfile, {}, { noCache: true });
  const found = listBelow(await imageFiles(engine, image)).filter((name) => !name.startsWith('bin/'));
  // Directories for mounts that every container has may stay.
  expect(found.filter((name) => !['dev/', 'proc/', 'sys/'].includes(name))).toEqual(['made/']);
});

test('a RUN knows the hosts that the client added, and the network it was given', async () => {
  const { output } = await build(
    fixture.engine,
    {
      Dockerfile: `FROM busybox
RUN grep -c '10.9.8.7.*some.host' /etc/hosts
RUN --network=none ls /sys/class/net
RUN cat /etc/hosts >/dev/null && df -k /dev/shm | awk 'END { print $2 }'
`,
    },
    { noCache: true, extraHosts: ['some.host:10.9.8.7'], shmSize: 8 << 20 },
  );
  expect(output.trim().split('\n')).toEqual(['1', 'lo', '8192']);
});
