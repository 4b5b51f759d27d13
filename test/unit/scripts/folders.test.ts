// A folder is a room: what is in it can be seen at once. One that grows past this many files gets rooms of its own.
import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';

const mostFiles = 25;

test('no folder of sources has more than 25 files', () => {
  const found = ['daemon', 'cli', 'native-bindings'].flatMap((top) =>
    execFileSync('find', [top, '(', '-name', '*.ts', '-o', '-name', '*.c', ')', '-not', '-path', '*/node_modules/*'], {
      cwd: projectRoot,
      encoding: 'utf8',
    })
      .trim()
      .split('\n'),
  );
  const sizes = new Map<string, number>();
  for (const file of found) sizes.set(dirname(file), (sizes.get(dirname(file)) ?? 0) + 1);
  const large = [...sizes].filter(([, files]) => files > mostFiles).map(([folder]) => folder);
  expect(large).toEqual([]);
});
