// The same Dockerfiles by a dockerd with BuildKit and by this engine: equal files, config and history. What differs and may is in docs/api.md.
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { type BuildEngine, type BuildOptions, build, OwnBuilder } from '../harness/build/build-engine.ts';
import { type BuildFiles, filesBelow } from '../harness/build/build-files.ts';
import { type ImageConfig, imageContent, stackLayers } from '../harness/build/image-files.ts';
import { hasReferenceBuilder, ReferenceBuilder } from '../harness/build/reference-builder.ts';
import { testNeeding } from '../harness/needs.ts';
import { fixturesDir } from '../harness/paths.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
let reference: ReferenceBuilder | undefined;
beforeAll(async () => {
  if (hasReferenceBuilder()) reference = await ReferenceBuilder.start(fixture.daemon.network);
});
afterAll(() => reference?.dispose());

interface Example {
  dockerfile: string;
  files?: BuildFiles;
  options?: BuildOptions;
}

const archive = tarOf([
  { name: 'd/', mode: 0o2750, uid: 5, gid: 6 },
  { name: 'd/file', data: 'inside', mode: 0o711, uid: 7, gid: 8 },
  { name: 'd/link', type: 'symlink', linkname: 'file', uid: 7 },
  { name: 'd/hard', type: 'link', linkname: 'd/file', mode: 0o711, uid: 7, gid: 8 },
  { name: 'pipe', type: 'fifo', mode: 0o600 },
]);

const examples: Record<string, Example> = {
  'settings of every kind': {
    dockerfile: `FROM busybox
LABEL a=b "c d"="e f"
ENV A=1 B="two words" C=$A
ARG UNUSED=1
EXPOSE 80 53/udp 8000-8002
VOLUME /v1 /v2
USER www-data:mail
WORKDIR /home/www
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=5s --retries=4 CMD wget -q localhost
SHELL ["/bin/sh", "-e", "-c"]
ENTRYPOINT echo entry
CMD ["a", "b"]
ONBUILD RUN echo later
MAINTAINER Someone
`,
  },
  'what RUN makes and removes': {
    dockerfile: `FROM busybox
RUN mkdir -p /a/b/c && echo 1 >/a/1 && echo 2 >/a/b/2 && chmod 4755 /a/1 && chown 5:6 /a/b && chmod 1777 /a/b/c
RUN rm /a/1 && rm -r /a/b && mkdir /a/b && echo new >/a/b/new
RUN mkfifo /pipe && mknod /dev-null c 1 3 && ln -s /a /link && echo h >/h1 && ln /h1 /h2
RUN mv /a/b /moved && rm -rf /home && touch /home
USER 33:8
RUN touch /tmp/mine && mkdir /tmp/dir && umask 077 && touch /tmp/private
`,
  },
  copies: {
    dockerfile: `FROM busybox AS s
RUN mkdir /src && echo f >/src/f && chown 5:6 /src/f && chmod 600 /src/f && ln -s f /src/l
FROM busybox
RUN mkdir -p /existing/real && ln -s real /existing/link && chown 9:9 /existing && chmod 700 /existing
COPY a.txt tool /made/on/the/way/
COPY dir /existing/
COPY dir /existing/link/
COPY --chown=www-data:mail --chmod=u=rwX,go= dir /owned
COPY --from=s /src /from-stage
COPY --from=s --chown=1:2 /src/f /src/l /with/owner/
COPY --from=busybox /etc/passwd /p
COPY --exclude=**/*.md . /context/
WORKDIR /w
COPY *.txt ./
USER 5
COPY a.txt /as-user
`,
    files: {
      'a.txt': 'a',
      'b.txt': { data: 'b', mode: 0o600, uid: 7, gid: 8 },
      tool: { data: '#!', mode: 0o755 },
      'dir/': { mode: 0o770 },
      'dir/one': 'one',
      'dir/sub/': { mode: 0o1755 },
      'dir/sub/readme.md': 'md',
      'dir/link': { type: 'symlink', linkname: '../a.txt' },
      '.dockerignore': '.dockerignore\n',
    },
  },
  archives: {
    dockerfile:
      'FROM busybox\nRUN mkdir -p /x/d && chmod 777 /x/d\nADD a.tar /x/\nADD a.tar /new/place\nADD --chown=1:2 a.tar plain /y/\nADD plain /z\n',
    files: { 'a.tar': archive, plain: 'plain' },
  },
  documents: {
    dockerfile: `FROM busybox
ARG NAME=x
RUN <<EOF
set -e
echo "$NAME" >/made
EOF
RUN <<PROGRAM
#!/bin/awk -f
BEGIN { print "awk" >"/awk" }
PROGRAM
COPY --chmod=755 <<one <<"two" /d/
$NAME
one
$NAME
two
`,
    options: { buildArgs: { NAME: 'given' } },
  },
  mounts: {
    dockerfile: `FROM busybox AS s
RUN echo s >/s
FROM scratch AS empty
FROM busybox
RUN --mount=type=cache,target=/var/cache/x --mount=type=tmpfs,target=/t --mount=target=/ctx --mount=from=s,source=/s,target=/deep/er/s \\
  echo c >/var/cache/x/c && touch /t/t && cat /deep/er/s /ctx/a >/out
RUN --mount=type=secret,id=none --mount=type=cache,target=/existing mkdir -p /run/y
`,
    files: { a: 'a' },
  },
  'stages, triggers and nothing below': {
    dockerfile: `ARG FROM_ARG=busybox
FROM \${FROM_ARG} AS base
ONBUILD COPY a /triggered
ONBUILD ENV T=1
FROM base AS next
RUN echo "$T" >/t
FROM scratch
ENV X=y
COPY --from=next /t /triggered /
WORKDIR /w/deep
`,
    files: { a: 'a' },
  },
  'labels and arguments of the client': {
    dockerfile: 'FROM busybox\nARG V\nARG W=w\nLABEL v=$V own=1\nRUN echo $V $W >/v\nCOPY $W /w\n',
    files: { w: 'w' },
    options: { labels: { own: '2', more: 'x' }, buildArgs: { V: 'value' } },
  },
  'a site': { dockerfile: '', files: filesBelow(`${fixturesDir}/projects/site`) },
};

/** A directory of the file system's own that a runtime makes to mount on it. */
const isForMounts = (path: string) => ['dev', 'proc', 'sys'].includes(path);

async function seen(engine: BuildEngine, { dockerfile, files = {}, options = {} }: Example) {
  const { id } = await build(engine, { ...(dockerfile === '' ? {} : { Dockerfile: dockerfile }), ...files }, options);
  const { config, layers } = await imageContent(engine, id);
  const tree = [...stackLayers(layers)]
    .filter(([path]) => !isForMounts(path))
    .map(([path, { kind, mode, owner, data, text, xattrs }]) =>
      [path, kind, mode, owner, kind === 'symlink' ? text : data.toString('latin1'), JSON.stringify(xattrs)].join(' '),
    )
    .sort();
  return { tree, ...comparable(config), layers: layers.length };
}

function comparable({ history, rootfs: _rootfs, created: _created, config, ...rest }: ImageConfig) {
  return {
    config: Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null && value !== '')),
    history: history.map(({ created: _, ...line }) => line),
    rest,
  };
}

describe('the same image as dockerd’s BuildKit makes', () => {
  const needing = hasReferenceBuilder() ? testNeeding() : testNeeding('dockerd', 'docker with buildx');
  for (const [name, example] of Object.entries(examples)) {
    needing(name, async () => {
      if (reference === undefined) throw new Error('no dockerd was started');
      const theirs = await seen(reference, example);
      const ours = await seen(new OwnBuilder(fixture.daemon), example);
      expect(ours).toEqual(theirs);
    });
  }
});
