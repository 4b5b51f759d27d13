import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../../../cli/formats/display-width.ts';
import { type ProgressRow, renderRow, renderRows, updateRows } from '../../../../cli/views/progress-rows.ts';

const MB = 1e6;
function rowsOf(...messages: { id: string; status: string; current?: number; total?: number; atMs?: number }[]) {
  const rows = new Map<string, ProgressRow>();
  for (const { id, status, current = 0, total = 0, atMs = 0 } of messages) {
    updateRows(rows, { id, status, progressDetail: { current, total } }, atMs);
  }
  return [...rows.values()];
}
const layer = (n: number) => n.toString(16).padStart(12, '0');

describe('a row', () => {
  it('has a bar, bytes and speed in 80 columns', () => {
    const [row] = rowsOf(
      { id: layer(1), status: 'Downloading', current: 10 * MB, total: 40 * MB, atMs: 0 },
      { id: layer(1), status: 'Downloading', current: 20 * MB, total: 40 * MB, atMs: 1000 },
    );
    const text = renderRow(row as ProgressRow, 79);
    expect(text).toMatch(/^000000000001: Downloading \[=+> +\] +20MB\/40MB +10MB\/s$/);
    expect(displayWidth(text)).toBeLessThanOrEqual(79);
    const bar = /\[(=+>) *\]/.exec(text);
    expect((bar?.[1]?.length ?? 0) / ((bar?.[0].length ?? 2) - 2)).toBeCloseTo(0.5, 1);
  });

  it('never is wider than the window, whatever the words and the window', () => {
    const [row] = rowsOf({ id: layer(1), status: `Fêtes 日本語 ${'x'.repeat(300)}`, current: 5, total: 10 });
    const [plain] = rowsOf({ id: layer(2), status: 'Downloading', current: 999 * MB, total: 1000 * MB });
    for (let columns = 1; columns < 200; columns++) {
      expect(displayWidth(renderRow(row as ProgressRow, columns))).toBeLessThanOrEqual(columns);
      expect(displayWidth(renderRow(plain as ProgressRow, columns))).toBeLessThanOrEqual(columns);
    }
  });

  it('takes more than the total, no total, and words that would steer the terminal', () => {
    expect(renderRow(rowsOf({ id: 'x', status: 'Pushing', current: 3 * MB, total: MB })[0] as ProgressRow, 79)).toMatch(
      /\[=+\]/,
    );
    expect(renderRow(rowsOf({ id: 'x', status: 'Loading', current: 3 * MB })[0] as ProgressRow, 79)).toBe(
      'x: Loading             3MB',
    );
    const [row] = rowsOf({ id: 'x', status: 'a\x1b[2J\r\nb\u202ec' });
    expect(renderRow(row as ProgressRow, 79)).toBe('x: a[2Jbc');
  });

  it('starts anew when its work changes', () => {
    const [row] = rowsOf(
      { id: 'x', status: 'Downloading', current: 9 * MB, total: 9 * MB, atMs: 0 },
      { id: 'x', status: 'Extracting', current: MB, total: 9 * MB, atMs: 900 },
    );
    expect(row).toMatchObject({ status: 'Extracting', current: MB, bytesPerSecond: 0 });
  });
});

describe('many rows', () => {
  it('those that move are shown, the others counted', () => {
    const rows = rowsOf(
      ...Array.from({ length: 50 }, (_, i) => ({
        id: layer(i),
        status: i < 30 ? 'Pull complete' : i < 33 ? 'Downloading' : 'Waiting',
        ...(i >= 30 && i < 33 ? { current: 1, total: 2 } : {}),
      })),
    );
    const lines = renderRows(rows, 79, 10);
    expect(lines).toHaveLength(10);
    expect(lines.filter((line) => line.includes('Downloading'))).toHaveLength(3);
    expect(lines.at(-1)).toBe('and 41 more layers: 30 done, 11 to do');
    expect(renderRows(rows, 79, 50)).toHaveLength(50);
    expect(renderRows(rows, 79, 1)).toHaveLength(1);
  });
});
