// WWW-Authenticate, read (RFC 9110, 11.6.1): schemes with parameters. A registry says with it how it wants to be asked.

export interface Challenge {
  /** Lower case: "bearer", "basic". */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER = 8192;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/;

/** What cannot be read is left out. Linear in the header's length. */
export function parseChallenges(header: string | undefined): Challenge[] {
  const found: { scheme: string; parameters: Map<string, string> }[] = [];
  let rest = (header ?? '').slice(0, MAX_HEADER);
  for (;;) {
    rest = rest.replace(/^[\s,]+/, '');
    const name = TOKEN.exec(rest)?.[0];
    if (name === undefined) return found;
    rest = rest.slice(name.length);
    const value = /^[ \t]*=[ \t]*/.exec(rest);
    const current = found.at(-1);
    if (value === null || current === undefined) {
      found.push({ scheme: name.toLowerCase(), parameters: new Map() });
      continue;
    }
    const read = readValue(rest.slice(value[0].length));
    if (read === undefined) return found;
    if (!current.parameters.has(name.toLowerCase())) current.parameters.set(name.toLowerCase(), read.text);
    rest = read.rest;
  }
}

function readValue(text: string): { text: string; rest: string } | undefined {
  if (!text.startsWith('"')) {
    const token = TOKEN.exec(text)?.[0] ?? '';
    return token === '' ? undefined : { text: token, rest: text.slice(token.length) };
  }
  let value = '';
  for (let i = 1; i < text.length; i++) {
    const character = text[i] as string;
    if (character === '"') return { text: value, rest: text.slice(i + 1) };
    if (character === '\\') i++;
    value += text[i] ?? '';
  }
  return undefined;
}
