// Where the last lines of a log begin. Reads from the newest file back, each one forwards: records have no way backwards.

import { LogBlocks } from '../format/log-blocks.ts';
import { type LogPlace, logSequences } from '../format/log-directory.ts';

const NEWLINE = 10;

export interface TailStart extends LogPlace {
  /** Bytes of the first record's payload that belong to earlier lines. */
  readonly skipBytes: number;
}

interface RecordPlace {
  readonly offset: number;
  readonly newlines: number;
}

/** The place after which at most `lines` lines follow; a last line without its newline counts. Nothing from `end` on is looked at. Lines of both streams count together. */
export async function findTail(logDir: string, lines: number, end?: LogPlace): Promise<TailStart> {
  const sequences = logSequences(logDir);
  // Newlines to pass, from the end backwards, before the line that is to come first: found out with the last record.
  let wanted: number | undefined;
  for (const seq of sequences.toReversed()) {
    const file = await scan(logDir, seq, wanted === undefined ? lines + 1 : wanted, end);
    if (file.records.length === 0) continue;
    wanted ??= lines + (file.endsLine ? 1 : 0);
    for (const record of file.records.toReversed()) {
      if (record.newlines >= wanted)
        return { seq, offset: record.offset, skipBytes: await skipIn(logDir, seq, record, wanted) };
      wanted -= record.newlines;
    }
  }
  return { seq: sequences[0] ?? 0, offset: 0, skipBytes: 0 };
}

/** The records at the file's end that hold `newlines` newlines: the others are forgotten on the way, so memory stays bounded by what is asked. */
async function scan(
  logDir: string,
  seq: number,
  newlines: number,
  end: LogPlace | undefined,
): Promise<{ records: RecordPlace[]; endsLine: boolean }> {
  using blocks = new LogBlocks(logDir, { seq, offset: 0 }, undefined, end);
  let records: RecordPlace[] = [];
  let first = 0;
  let held = 0;
  let endsLine = true;
  for (let block = await blocks.next(); block?.seq === seq; block = await blocks.next()) {
    let { offset } = block;
    for (const { data, size } of block.chunks) {
      const count = countNewlines(data);
      records.push({ offset, newlines: count });
      held += count;
      endsLine = data.at(-1) === NEWLINE;
      offset += size;
      while (held - newlinesOf(records[first]) >= newlines && first < records.length - 1)
        held -= newlinesOf(records[first++]);
    }
    records = records.slice(first);
    first = 0;
  }
  return { records, endsLine };
}

function newlinesOf(record: RecordPlace | undefined): number {
  return record?.newlines ?? 0;
}

/** The byte after the `wanted`th newline from the end of the record. */
async function skipIn(logDir: string, seq: number, record: RecordPlace, wanted: number): Promise<number> {
  using blocks = new LogBlocks(logDir, { seq, offset: record.offset });
  const data = (await blocks.next())?.chunks[0]?.data;
  if (!data || wanted === 0) return data?.length ?? 0;
  let at = data.length;
  for (let passed = 0; passed < wanted; passed++) at = data.lastIndexOf(NEWLINE, at - 1);
  return at + 1;
}

function countNewlines(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
