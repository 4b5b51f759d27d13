/** One line of comma-separated values as Go's `encoding/csv` reads it. A text says what is wrong, in Go's words. */
export function csvFields(line: string): string[] | string {
  if (line === '') return 'EOF';
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (line[at] === '"') {
      const read = quotedField(line, at);
      if (typeof read === 'string') return read;
      fields.push(read.field);
      at = read.end;
    } else {
      const comma = line.indexOf(',', at);
      const end = comma < 0 ? line.length : comma;
      const field = line.slice(at, end);
      const quote = field.indexOf('"');
      if (quote >= 0) return `parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`;
      fields.push(field);
      at = end;
    }
    if (at >= line.length) return fields;
    at++;
  }
}

/** `end` is at the comma or at the end of the line. */
function quotedField(line: string, start: number): { field: string; end: number } | string {
  let field = '';
  let at = start + 1;
  for (;;) {
    const quote = line.indexOf('"', at);
    if (quote < 0) return `parse error on line 1, column ${line.length + 1}: extraneous or missing " in quoted-field`;
    field += line.slice(at, quote);
    const next = line[quote + 1];
    if (next === '"') {
      field += '"';
      at = quote + 2;
    } else if (next === undefined || next === ',') return { field, end: quote + 1 };
    else return `parse error on line 1, column ${quote + 1}: extraneous or missing " in quoted-field`;
  }
}
