// One line of comma-separated values with optional double quotes, as --mount and --network take it (RFC 4180).

export function parseCsvLine(line: string): string[] {
  const fields: string[] = [];
  let rest = line;
  for (;;) {
    if (rest.startsWith('"')) {
      const quoted = /^"((?:[^"]|"")*)"(?=,|$)/.exec(rest);
      if (!quoted) throw new Error('parse error on line 1: extraneous or missing " in quoted-field');
      fields.push((quoted[1] ?? '').replaceAll('""', '"'));
      rest = rest.slice(quoted[0].length);
    } else {
      const bare = /^[^,]*/.exec(rest)?.[0] ?? '';
      if (bare.includes('"')) throw new Error('parse error on line 1: bare " in non-quoted-field');
      fields.push(bare);
      rest = rest.slice(bare.length);
    }
    if (rest === '') return fields;
    rest = rest.slice(1);
  }
}

/** `key=value`; the value is undefined without `=`. */
export function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
