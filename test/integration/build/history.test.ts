// What `history` shows of a build: a line an instruction, which of them made a layer, and <missing> for all but the last.
import { expect, test } from 'vitest';
import { imageOf } from '../../harness/build/build-engine.ts';
import { imageContent } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();

interface HistoryRow {
  Id: string;
  Created: number;
  CreatedBy: string;
  Size: number;
  Comment: string;
  Tags: string[] | null;
}

const dockerfile = `FROM busybox
ARG V=1
ARG PLAIN
ENV A=$V B="two words"
LABEL l="a b"
RUN echo $V >/x
RUN ["touch", "/y"]
RUN <<EOF
echo heredoc >/z
EOF
COPY --chown=1:2 a.txt b.txt /d/
ADD a.txt /e
WORKDIR /w
USER 5
EXPOSE 80 53/udp
VOLUME /v
STOPSIGNAL SIGINT
HEALTHCHECK --retries=2 CMD true
SHELL ["/bin/sh", "-e", "-c"]
ENTRYPOINT ["sh"]
CMD echo hi
`;

const expected = [
  'CMD ["/bin/sh" "-e" "-c" "echo hi"]',
  'ENTRYPOINT ["sh"]',
  'SHELL [/bin/sh -e -c]',
  'HEALTHCHECK &{["CMD-SHELL" "true"] "0s" "0s" "0s" "0s" \'\\x02\'}',
  'STOPSIGNAL SIGINT',
  'VOLUME [/v]',
  'EXPOSE [53/udp 80/tcp]',
  'USER 5',
  'WORKDIR /w',
  'ADD a.txt /e # buildkit',
  'COPY --chown=1:2 a.txt b.txt /d/ # buildkit',
  'RUN |2 V=1 PLAIN= /bin/sh -c echo heredoc >/z\n # buildkit',
  'RUN |2 V=1 PLAIN= touch /y # buildkit',
  'RUN |2 V=1 PLAIN= /bin/sh -c echo $V >/x # buildkit',
  'LABEL l=a b',
  'ENV A=1 B=two words',
  'ARG PLAIN',
  'ARG V=1',
];

test('an image’s history', async () => {
  const { engine } = fixture;
  const image = await imageOf(engine, dockerfile, { 'a.txt': 'a', 'b.txt': 'bb' }, { tags: ['historic:1'] });
  const rows = await engine.api.get<HistoryRow[]>(`/images/${image}/history`);
  expect(rows.slice(0, -1).map(({ CreatedBy }) => CreatedBy)).toEqual(expected);
  expect(rows.map(({ Id }) => Id)).toEqual([image, ...rows.slice(1).map(() => '<missing>')]);
  expect(rows[0]?.Tags).toEqual(['historic:1']);
  expect(rows.slice(0, -1).every(({ Comment }) => Comment === 'buildkit.dockerfile.v0')).toBe(true);
  const sizes = new Map(rows.map(({ CreatedBy, Size }) => [CreatedBy.split(' ').slice(0, 2).join(' '), Size]));
  expect([sizes.get('COPY --chown=1:2'), sizes.get('ADD a.txt'), sizes.get('USER 5')]).toEqual([3, 1, 0]);
});

test('the image’s own record: layers and lines without one, in order', async () => {
  const { engine } = fixture;
  const { config } = await imageContent(engine, await imageOf(engine, dockerfile, { 'a.txt': 'a', 'b.txt': 'bb' }));
  const base = config.history.length - expected.length;
  const own = config.history.slice(base);
  expect(own.map(({ created_by }) => created_by).reverse()).toEqual(expected);
  const makesLayer = /^(RUN|COPY|ADD|WORKDIR)\b/;
  expect(own.map(({ empty_layer }) => empty_layer !== true)).toEqual(
    own.map(({ created_by = '' }) => makesLayer.test(created_by)),
  );
  const layers = config.history.filter(({ empty_layer }) => empty_layer !== true).length;
  expect(config.rootfs.diff_ids).toHaveLength(layers);
  expect(own.every(({ created = '' }) => !Number.isNaN(Date.parse(created)))).toBe(true);
});
