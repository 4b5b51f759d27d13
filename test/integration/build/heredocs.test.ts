// Here-documents of RUN, COPY and ADD.
import { expect, test } from 'vitest';
import { build, failureOf, imageOf } from '../../harness/build/build-engine.ts';
import { imageFiles } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();
const outputOf = async (lines: string) =>
  (await build(fixture.engine, { Dockerfile: `FROM busybox\n${lines}` }, { noCache: true })).output;
const filesOf = async (lines: string, args: Record<string, string> = {}) =>
  imageFiles(fixture.engine, await imageOf(fixture.engine, `FROM scratch\n${lines}`, {}, { buildArgs: args }));

test('a RUN that is only a document is a script for the shell, which stops where it fails', async () => {
  expect(
    await outputOf(
      'RUN <<EOF\necho one\n  echo "two words"\n# not a comment of the Dockerfile\necho $((1 + 2))\nEOF\n',
    ),
  ).toBe('one\ntwo words\n3\n');
  const failed = await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nRUN <<EOF\necho a\nexit 7\nEOF\n' });
  expect(failed.code).toBe(7);
});

test('a first line #! names the program', async () => {
  expect(await outputOf('RUN <<EOF\n#!/bin/awk -f\nBEGIN { print "awk", 1 + 1 }\nEOF\n')).toBe('awk 2\n');
});

test('documents are files that a command reads', async () => {
  expect(await outputOf('RUN cat <<EOF\ntext\nEOF\n')).toBe('text\n');
  expect(await outputOf('RUN cat <<ONE - /dev/fd/3 3<<TWO && echo end\nfirst\nONE\nsecond\nTWO\n')).toBe(
    'first\nsecond\nend\n',
  );
});

test('the shell expands in a RUN unless the name is quoted', async () => {
  const lines = 'ENV V=value\nRUN cat <<EOF\n$V \\$V\nEOF\nRUN cat <<"EOF"\n$V\nEOF\n';
  expect(await outputOf(lines)).toBe('value $V\n$V\n');
});

test('<<- takes leading tabs away', async () => {
  expect(await outputOf('RUN cat <<-EOF\n\t\ttabs\n  spaces\n\tEOF\n')).toBe('tabs\n  spaces\n');
});

test('COPY and ADD write documents as files, several at once', async () => {
  const files = await filesOf(
    'ARG NAME\nCOPY <<one.txt <<two.sh /d/\nhello $NAME\none.txt\n#!/bin/sh\ntwo.sh\nADD <<EOF /named\nraw\nEOF\n',
    { NAME: 'world' },
  );
  expect(files.get('d/one.txt')).toMatchObject({ text: 'hello world\n', mode: '644', owner: '0:0' });
  expect(files.get('d/two.sh')?.text).toBe('#!/bin/sh\n');
  expect(files.get('named')?.text).toBe('raw\n');
});

test('COPY leaves variables alone when the name is quoted, and takes escapes out when it is not', async () => {
  const files = await filesOf(
    'ARG V=x\nCOPY <<"EOF" /raw\n$V \\$V "q"\nEOF\nCOPY <<EOF /expanded\n$V \\$V "q" \'$V\'\nEOF\n',
  );
  expect(files.get('raw')?.text).toBe('$V \\$V "q"\n');
  expect(files.get('expanded')?.text).toBe('x $V "q" \'x\'\n');
});

test('COPY has flags for them, and takes files of the context beside them', async () => {
  const dockerfile = 'FROM scratch\nCOPY --chown=5:6 --chmod=755 <<doc plain /d/\ntext\ndoc\n';
  const files = await imageFiles(fixture.engine, await imageOf(fixture.engine, dockerfile, { plain: 'p' }));
  expect(files.get('d/doc')).toMatchObject({ text: 'text\n', owner: '5:6', mode: '755' });
  expect(files.get('d/plain')).toMatchObject({ text: 'p', owner: '5:6' });
});

test('an empty document is an empty file', async () => {
  expect((await filesOf('COPY <<EOF /empty\nEOF\n')).get('empty')?.text).toBe('');
});

test('one without its end fails the build and says where', async () => {
  const { error } = await failureOf(fixture.engine, { Dockerfile: 'FROM busybox\nRUN <<EOF\necho a\n' });
  expect(error).toMatch(/unterminated heredoc/);
});

test('<< in a JSON form or in quotes begins none', async () => {
  expect(await outputOf('RUN echo "<<EOF"\nRUN ["echo", "<<EOF"]\n')).toBe('<<EOF\n<<EOF\n');
});
