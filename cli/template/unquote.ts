// Go's string and character literals.

/** A Go string literal, raw or interpreted. */
export function unquote(literal: string): string {
  if (literal.startsWith('`')) return literal.slice(1, -1);
  const simple: Record<string, string> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' };
  return literal
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/g, (_, sequence: string) => {
      if (/^[xuU]/.test(sequence) && sequence.length > 1)
        return String.fromCodePoint(Number.parseInt(sequence.slice(1), 16));
      if (/^[0-7]{3}$/.test(sequence)) return String.fromCharCode(Number.parseInt(sequence, 8));
      return Object.hasOwn(simple, sequence) ? (simple[sequence] ?? '') : sequence;
    });
}
