// Texts of a history as Go's fmt prints them: `CMD ["sh" "-c"]`, `VOLUME [/a /b]`.

/** `%q` of a list. */
export function quotedList(words: readonly string[]): string {
  return `[${words.map(quoted).join(' ')}]`;
}

/** `%v` of a list. */
export function plainList(words: readonly string[]): string {
  return `[${words.join(' ')}]`;
}

const shortEscapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** Go's strconv.Quote. */
export function quoted(text: string): string {
  let out = '"';
  for (const char of text) out += shortEscapes[char] ?? (isPrintable(char) ? char : escaped(char));
  return `${out}"`;
}

/** `%q` of a number: the character that it is. */
export function quotedRune(code: number): string {
  if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return "'\ufffd'";
  const char = String.fromCodePoint(code);
  if (char === "'") return "'\\''";
  if (char === '"') return `'"'`;
  return `'${quoted(char).slice(1, -1)}'`;
}

function isPrintable(char: string): boolean {
  return char === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char);
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
