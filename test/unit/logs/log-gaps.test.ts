import { expect, it } from 'vitest';
import type { LogChunk } from '../../../daemon/logs/format/log-record.ts';
import { withGaps } from '../../../daemon/logs/reader/log-gaps.ts';
import type { LogReader } from '../../../daemon/logs/reader/log-reader.ts';

const gap = '[tsdocker: output is missing here: the disk was full]';

function chunk(text: string, dropped = false, stream: 1 | 2 = 1): LogChunk {
  return { stream, timeNs: 5n, data: Buffer.from(text), dropped };
}

async function shown(batches: LogChunk[][], stream: 1 | 2 = 1, isTerminal = false): Promise<[number, string][]> {
  const reader = {
    batches: async function* () {
      yield* batches;
    },
  } as unknown as LogReader;
  const result: [number, string][] = [];
  for await (const { stream: of, data } of withGaps(reader, { stream, isTerminal })) result.push([of, data.toString()]);
  return result;
}

it('a line stands where output is missing', async () => {
  expect(await shown([[chunk('a\n'), chunk('d\n', true)], [chunk('e\n')]], 2)).toEqual([
    [1, 'a\n'],
    [2, `${gap}\n`],
    [1, 'd\n'],
    [1, 'e\n'],
  ]);
});

it('a mark and the record after it are one gap, across batches too; a mark alone is one', async () => {
  expect(await shown([[chunk('a\n'), chunk('', true)], [chunk('d\n', true)]])).toEqual([
    [1, 'a\n'],
    [1, `${gap}\n`],
    [1, 'd\n'],
  ]);
  expect(await shown([[chunk('a\n'), chunk('', true)]])).toEqual([
    [1, 'a\n'],
    [1, `${gap}\n`],
  ]);
  expect(await shown([[chunk('', true)], [chunk('b\n')], [chunk('c\n', true)]])).toHaveLength(4);
});

it('a line that is not at its end is ended first, as a terminal does it where there is one', async () => {
  expect(await shown([[chunk('a')], [chunk('d\n', true)]])).toEqual([
    [1, 'a'],
    [1, `\n${gap}\n`],
    [1, 'd\n'],
  ]);
  expect(await shown([[chunk('a', false, 1), chunk('d\n', true)]], 2)).toContainEqual([2, `${gap}\n`]);
  expect(await shown([[chunk('a'), chunk('d\r\n', true)]], 1, true)).toContainEqual([1, `\r\n${gap}\r\n`]);
});
