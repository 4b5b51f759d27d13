// ENV and ARG: who sees which value where, what the client's own values change, and the forms of expansion.
import { describe, expect, test } from 'vitest';
import { build, failureOf, imageOf, outputOf } from '../../harness/build/build-engine.ts';
import { imageConfig } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What the last line of a Dockerfile, a RUN, prints. */
async function printed(dockerfile: string, buildArgs: Record<string, string | null> = {}): Promise<string[]> {
  const { output } = await build(fixture.engine, { Dockerfile: dockerfile }, { buildArgs, noCache: true });
  return output.trimEnd().split('\n');
}

const envOf = async (dockerfile: string) =>
  (await imageConfig(fixture.engine, await imageOf(fixture.engine, dockerfile))).Env;

test('ENV with several, quoted and escaped values, and the form without =', async () => {
  const dockerfile = `FROM busybox
ENV ONE=1 TWO="two words" THREE=three\\ words FOUR='$ONE' FIVE="$ONE" SIX=\\$ONE
ENV SEVEN the rest of  the line
ENV EMPTY=
`;
  expect(await envOf(dockerfile)).toEqual([
    path,
    'ONE=1',
    'TWO=two words',
    'THREE=three words',
    'FOUR=$ONE',
    'FIVE=',
    'SIX=$ONE',
    'SEVEN=the rest of  the line',
    'EMPTY=',
  ]);
});

test('all values of one ENV see what was set before its line', async () => {
  expect(await envOf('FROM busybox\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc')).toEqual([
    path,
    'abc=bye',
    'def=hello',
    'ghi=bye',
  ]);
});

const expansions: [string, string][] = [
  ['${SET}', 'value'],
  ['$SET.', 'value.'],
  ['${SET}x', 'valuex'],
  ['$UNSET.', '.'],
  ['${UNSET:-other}', 'other'],
  ['${EMPTY:-other}', 'other'],
  ['${EMPTY-other}.', '.'],
  ['${UNSET-other}', 'other'],
  ['${SET:+other}', 'other'],
  ['${EMPTY:+other}.', '.'],
  ['${EMPTY+other}', 'other'],
  ['${UNSET+other}.', '.'],
  ['${UNSET:-$SET}', 'value'],
  ['${UNSET:-${EMPTY:-deep}}', 'deep'],
  ['${SET:?wrong}', 'value'],
  ['${EMPTY?wrong}.', '.'],
  ['${FILE#*.}', 'tar.gz'],
  ['${FILE##*.}', 'gz'],
  ['${FILE%.*}', 'a.tar'],
  ['${FILE%%.*}', 'a'],
  ['${FILE/a/o}', 'o.tar.gz'],
  ['${FILE//a/o}', 'o.tor.gz'],
  ['${FILE//./-}', 'a-tar-gz'],
  ["'${SET}'", '${SET}'],
  ['"${SET}"', 'value'],
  ['\\${SET}', '${SET}'],
  ['"\\$SET"', '$SET'],
];

test('every form of expansion', async () => {
  const lines = expansions.map(([form], number) => `ENV X${number}=${form}`);
  const env = await envOf(`FROM busybox\nENV SET=value EMPTY= FILE=a.tar.gz\n${lines.join('\n')}`);
  const shown = expansions.map(([form], number) => [form, Array.isArray(env) && env[number + 4]]);
  expect(shown).toEqual(expansions.map(([form, value], number) => [form, `X${number}=${value}`]));
});

test.each([
  ['"${UNSET:?not set, sorry}"', 'not set, sorry'],
  ['"${UNSET?not set}"', 'not set'],
  ['${SET//\\./-}', 'invalid escape'],
  ['${UNSET^x}', 'unsupported modifier'],
  ['${SET', ''],
])('%s fails the build', async (form, words) => {
  const { error } = await failureOf(fixture.engine, { Dockerfile: `FROM busybox\nENV SET=1\nENV X=${form}` });
  expect(error).toContain(words);
});

test('where variables are expanded, and where they are not', async () => {
  const dockerfile = `FROM busybox AS base
ENV DIR=/d NAME=n PORT=80 WHO=1:2 SIG=SIGUSR1
ADD \${NAME}.txt \${DIR}/
COPY $NAME.txt $DIR/copied
WORKDIR $DIR/w
EXPOSE $PORT/udp
VOLUME $DIR/v
LABEL $NAME=$DIR
USER $WHO
STOPSIGNAL $SIG
CMD ["echo", "$NAME"]
`;
  const image = await imageOf(fixture.engine, dockerfile, { 'n.txt': 'text' });
  expect(await imageConfig(fixture.engine, image)).toMatchObject({
    WorkingDir: '/d/w',
    ExposedPorts: { '80/udp': {} },
    Volumes: { '/d/v': {} },
    Labels: { n: '/d' },
    User: '1:2',
    StopSignal: 'SIGUSR1',
    Cmd: ['echo', '$NAME'],
  });
  expect(await outputOf(fixture.engine, image, { Cmd: ['cat', '/d/n.txt', '/d/copied'] })).toBe('texttext');
});

describe('ARG', () => {
  test('holds from its line to the end of its stage, and is not in the image', async () => {
    const dockerfile = `FROM busybox
RUN echo "before:$A."
ARG A=1
RUN echo "after:$A."
FROM busybox
RUN echo "elsewhere:$A."
`;
    const image = await build(fixture.engine, { Dockerfile: `${dockerfile}COPY --from=0 /bin/busybox /b` });
    expect(image.output.split('\n').sort().filter(Boolean)).toEqual(['after:1.', 'before:.', 'elsewhere:.']);
    expect((await imageConfig(fixture.engine, image.id)).Env).toEqual([path]);
  });

  test('before the first FROM is for FROM, and for a stage that says its name again', async () => {
    const dockerfile = `ARG BASE=busybox
ARG TAG=latest
FROM \${BASE}:$TAG
RUN echo "not said:$TAG."
ARG TAG
RUN echo "said:$TAG."
ARG TAG=own
RUN echo "own:$TAG."
`;
    expect(await printed(dockerfile)).toEqual(['not said:.', 'said:latest.', 'own:own.']);
    const failed = await failureOf(fixture.engine, { Dockerfile: dockerfile }, { buildArgs: { TAG: 'none-such' } });
    expect(failed.error).toContain('none-such');
  });

  test('takes the value of the client, and its default may use what is there already', async () => {
    const dockerfile = `FROM busybox
ARG A=1
ARG B=$A-b C
ENV E=$B
RUN echo "$A $B \${C:-none} $E"
`;
    expect(await printed(dockerfile)).toEqual(['1 1-b none 1-b']);
    expect(await printed(dockerfile, { A: '2' })).toEqual(['2 2-b none 2-b']);
    expect(await printed(dockerfile, { B: '$A', C: '' })).toEqual(['1 $A none $A']);
  });

  test('gives way to an ENV of the same name after it, and not to one before it', async () => {
    const below = 'FROM busybox AS below\nENV V=env\nFROM below\n';
    expect(await printed(`${below}ARG V=arg\nRUN echo "$V"`)).toEqual(['arg']);
    expect(await printed(`${below}ARG V=arg\nRUN echo "$V"`, { V: 'client' })).toEqual(['client']);
    expect(await printed(`${below}ARG V\nRUN echo "$V"`)).toEqual(['env']);
    expect(await printed('FROM busybox\nARG V=arg\nENV V=env\nRUN echo $V', { V: 'client' })).toEqual(['env']);
    expect(await printed('FROM busybox\nARG V=arg\nENV V=${V:-env}\nRUN echo $V', { V: 'client' })).toEqual(['client']);
  });

  test('of a stage is known in those that are built on it', async () => {
    expect(await printed('FROM busybox AS a\nARG V=1\nFROM a\nRUN echo "$V."')).toEqual(['1.']);
  });

  test('for proxies need not be said, and leave no trace', async () => {
    const names = ['HTTP_PROXY', 'https_proxy', 'NO_PROXY', 'FTP_PROXY', 'all_proxy'];
    const buildArgs = Object.fromEntries(names.map((name) => [name, `http://user:secret@proxy/${name}`]));
    const dockerfile = `FROM busybox\nRUN echo "$HTTP_PROXY $https_proxy $NO_PROXY $FTP_PROXY $all_proxy"`;
    const { id, output } = await build(fixture.engine, { Dockerfile: dockerfile }, { buildArgs });
    expect(output.trim()).toBe(names.map((name) => `http://user:secret@proxy/${name}`).join(' '));
    const said = JSON.stringify([
      await fixture.engine.api.get(`/images/${id}/history`),
      await fixture.engine.api.get(`/images/${id}/json`),
    ]);
    expect(said).not.toContain('secret');
  });

  test('of the platform are there in FROM, and in a stage that says their names', async () => {
    const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
    const dockerfile = `FROM --platform=$BUILDPLATFORM busybox
RUN echo "$TARGETARCH."
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH TARGETSTAGE
RUN echo "$TARGETPLATFORM $TARGETOS $TARGETARCH $BUILDPLATFORM $BUILDOS $BUILDARCH $TARGETSTAGE"
`;
    expect(await printed(dockerfile)).toEqual(['.', `linux/${arch} linux ${arch} linux/${arch} linux ${arch} default`]);
  });

  test('that nobody asks for is told', async () => {
    const { messages } = await build(
      fixture.engine,
      { Dockerfile: 'FROM busybox\nCMD true' },
      { buildArgs: { UNUSED: '1', ALSO: '2' } },
    );
    if (fixture.engine.isReference) return;
    expect(messages.map(({ stream }) => stream ?? '').find((text) => text.includes('[Warning]'))).toMatch(
      /One or more build-args \[(ALSO UNUSED|UNUSED ALSO)\] were not consumed/,
    );
  });
});

test('RUN has PATH and HOME, and the HOME of its user', async () => {
  const dockerfile = `FROM scratch
COPY --from=busybox /bin /bin
COPY passwd group /etc/
RUN echo "$PATH $HOME"
USER someone
RUN echo "$HOME"
USER 4711
RUN echo "$HOME"
ENV HOME=/own
RUN echo "$HOME"
`;
  const files = {
    passwd: 'root:x:0:0:root:/root:/bin/sh\nsomeone:x:5:5::/home/someone:/bin/sh\n',
    group: 'root:x:0:\n',
  };
  const { output } = await build(fixture.engine, { Dockerfile: dockerfile, ...files }, { noCache: true });
  expect(output.trim().split('\n')).toEqual([
    '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /root',
    '/home/someone',
    '/',
    '/own',
  ]);
});
