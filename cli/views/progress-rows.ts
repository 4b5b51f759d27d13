// What a transfer looks like on a terminal of a given size: one row per layer, as text. No terminal is touched here.
import type { JsonMessage } from '../../daemon/docker-types/image.ts';
import { humanSize } from '../../daemon/protocols/units/human-units.ts';
import { displayWidth, ellipsis } from '../formats/display-width.ts';

export interface ProgressRow {
  id: string;
  status: string;
  /** Bytes; `total` is 0 when it is not known. */
  current: number;
  total: number;
  bytesPerSecond: number;
  /** When `current` was last looked at for the speed, in milliseconds. */
  sampledAtMs: number;
  sampledBytes: number;
}

const sampleMs = 250;
/** Weight of the newest sample in the speed that is shown: steady to the eye, quick enough to tell a stall. */
const newestWeight = 0.4;

/** Takes a message with an id in; rows keep the order in which their ids first came. */
export function updateRows(rows: Map<string, ProgressRow>, message: JsonMessage & { id: string }, nowMs: number): void {
  const { id } = message;
  const status = plain(message.status ?? '');
  const current = Math.max(0, message.progressDetail?.current ?? 0);
  const total = Math.max(0, message.progressDetail?.total ?? 0);
  const row = rows.get(id);
  if (row === undefined || row.status !== status || current < row.sampledBytes) {
    rows.set(id, { id, status, current, total, bytesPerSecond: 0, sampledAtMs: nowMs, sampledBytes: current });
    return;
  }
  row.current = current;
  row.total = total;
  const elapsed = nowMs - row.sampledAtMs;
  if (elapsed < sampleMs) return;
  const speed = ((current - row.sampledBytes) * 1000) / elapsed;
  row.bytesPerSecond =
    row.bytesPerSecond === 0 ? speed : row.bytesPerSecond * (1 - newestWeight) + speed * newestWeight;
  row.sampledAtMs = nowMs;
  row.sampledBytes = current;
}

/** At most `lines` lines of at most `columns` columns; when there are more rows, those that move come first. */
export function renderRows(rows: readonly ProgressRow[], columns: number, lines: number): string[] {
  if (rows.length <= lines) return rows.map((row) => renderRow(row, columns));
  const room = Math.max(0, lines - 1);
  const moving = rows.filter(isMoving);
  const shown = new Set([...moving, ...rows.filter((row) => !isMoving(row) && !isDone(row))].slice(0, room));
  for (const row of rows) if (shown.size < room) shown.add(row);
  const hidden = rows.filter((row) => !shown.has(row));
  const done = hidden.filter(isDone).length;
  const summary = `and ${hidden.length} more layers: ${done} done, ${hidden.length - done} to do`;
  return [...rows.filter((row) => shown.has(row)).map((row) => renderRow(row, columns)), ellipsis(summary, columns)];
}

function isMoving(row: ProgressRow): boolean {
  return row.current > 0;
}

function isDone({ status }: ProgressRow): boolean {
  return /complete|already exists|pushed|mounted from/i.test(status);
}

const widestBar = 50;
const narrowestBar = 6;

/** `ID: Status [====>    ]  12.3MB/45.6MB  7.8MB/s`; the bar takes what the words leave, and goes first when they leave nothing. */
export function renderRow(row: ProgressRow, columns: number): string {
  const head = `${row.id}: ${row.status}`;
  if (!isMoving(row)) return ellipsis(head, columns);
  const amount = row.total > 0 ? `${humanSize(row.current, 3)}/${humanSize(row.total, 3)}` : humanSize(row.current, 3);
  const speed = row.bytesPerSecond > 0 ? `  ${humanSize(row.bytesPerSecond, 3)}/s` : '';
  // The columns of the numbers keep their places while the numbers grow.
  const numbers = `${amount.padStart(15)}${speed.padEnd(11)}`;
  const room = Math.min(widestBar, columns - displayWidth(head) - numbers.length - ' [] '.length);
  const bar = row.total > 0 && room >= narrowestBar ? ` [${barOf(row, room)}]` : '';
  return ellipsis(`${head}${bar} ${numbers.trimEnd()}`, columns);
}

function barOf({ current, total }: ProgressRow, width: number): string {
  const filled = Math.min(width, Math.floor((current / total) * width));
  return filled === width ? '='.repeat(width) : `${'='.repeat(filled)}>`.padEnd(width);
}

/** Words of a registry must not steer the terminal. */
export function plain(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
}
