/** Rows as Go's tabwriter aligns them: all cells but the last of a row are padded, `gap` blanks beyond the widest of their column. */
export function textTable(rows: readonly (readonly string[])[], gap: number): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, [...cell].length);
  }
  const line = (row: readonly string[]) =>
    row.map((cell, index) => (index === row.length - 1 ? cell : padded(cell, (widths[index] ?? 0) + gap))).join('');
  return rows.map((row) => `${line(row)}\n`).join('');
}

function padded(cell: string, width: number): string {
  return cell + ' '.repeat(width - [...cell].length);
}
