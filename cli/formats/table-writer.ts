// Aligns tab-separated columns as Go's text/tabwriter does: a column is a run of adjacent lines that have it, and what follows
// a line's last tab belongs to no column.
import { displayWidth } from './display-width.ts';

export interface TableLayout {
  minWidth: number;
  padding: number;
}

/** Docker's lists. */
export const listLayout: TableLayout = { minWidth: 10, padding: 3 };

export function alignTable(text: string, layout: TableLayout): string {
  const endsWithNewline = text.endsWith('\n');
  const rows = (endsWithNewline ? text.slice(0, -1) : text).split('\n').map((line) => line.split('\t'));
  const widths = rows.map((row) => row.slice(0, -1).map(() => 0));
  measure(rows, widths, 0, rows.length, 0, layout);
  const lines = rows.map((row, y) =>
    row.map((cell, x) => (x === row.length - 1 ? cell : pad(cell, widths[y]?.[x] ?? 0))).join(''),
  );
  return lines.join('\n') + (endsWithNewline ? '\n' : '');
}

/** Sets the widths of `column` and those right of it for the lines from `from` to `to`. */
function measure(rows: string[][], widths: number[][], from: number, to: number, column: number, layout: TableLayout) {
  let start = from;
  while (start < to) {
    if (column >= (rows[start]?.length ?? 0) - 1) {
      start++;
      continue;
    }
    let end = start;
    let width = layout.minWidth;
    for (; end < to && column < (rows[end]?.length ?? 0) - 1; end++) {
      width = Math.max(width, displayWidth(rows[end]?.[column] ?? '') + layout.padding);
    }
    for (let y = start; y < end; y++) {
      const row = widths[y];
      if (row) row[column] = width;
    }
    measure(rows, widths, start, end, column + 1, layout);
    start = end;
  }
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - displayWidth(cell)));
}
