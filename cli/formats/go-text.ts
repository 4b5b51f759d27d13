// Texts as Go prints them: quoted strings, local times, JSON with sorted or raw content.

/** Go's strconv.Quote. */
export function goQuote(text: string): string {
  let result = '"';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const simple = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\x07': '\\a' }[character];
    const other = { '\b': '\\b', '\f': '\\f', '\v': '\\v' }[character];
    if (simple ?? other) result += simple ?? other;
    else if (code < 0x20 || code === 0x7f) result += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code >= 0xd800 && code <= 0xdfff) result += '\\ufffd';
    else result += character;
  }
  return `${result}"`;
}

/** Go's time.Time.String of a moment in the local zone: `2026-11-20 18:22:29 +0000 UTC`. */
export function goTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  const minutes = -date.getTimezoneOffset();
  return `${localDateTime(date)} ${zoneOffset(minutes, '')} ${zoneName(date, minutes)}`;
}

/** RFC 3339 in the local zone; `nanoseconds` replaces the fraction: nine digits. */
export function localRfc3339Nano(unixSeconds: number, nanoseconds: string): string {
  const date = new Date(unixSeconds * 1000);
  const minutes = -date.getTimezoneOffset();
  const zone = minutes === 0 ? 'Z' : zoneOffset(minutes, ':');
  return `${localDateTime(date).replace(' ', 'T')}.${nanoseconds}${zone}`;
}

/** `2006-01-02T15:04:05Z07:00`. */
export function localRfc3339(unixSeconds: number): string {
  return localRfc3339Nano(unixSeconds, '').replace(/\.(?=Z|[+-])/, '');
}

function localDateTime(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function zoneOffset(minutes: number, separator: string): string {
  const abs = Math.abs(minutes);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.trunc(abs / 60))}${separator}${two(abs % 60)}`;
}

function zoneName(date: Date, minutes: number): string {
  if (minutes === 0 && !process.env.TZ) return 'UTC';
  const parts = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(date);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? 'UTC';
}

/** Compact JSON as Go marshals it (without HTML escapes); bigint is allowed. */
export function goJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (value === undefined || value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`;
  if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${entries.map(([key, item]) => `${jsonString(key)}:${goJson(item)}`).join(',')}}`;
  }
  return typeof value === 'string' ? jsonString(value) : JSON.stringify(value);
}

function jsonString(text: string): string {
  return JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

/** JSON.parse that keeps whole numbers exact: those beyond 2^53 become bigint. */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value;
    return /^-?\d+$/.test(source) ? BigInt(source) : value;
  });
}

/** Indents JSON text by `unit` without changing a number or the order of keys. */
export function indentJson(text: string, unit: string): string {
  let depth = 0;
  let result = '';
  const newline = () => `\n${unit.repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g)) {
    if (token === '{' || token === '[') {
      depth++;
      result += token + newline();
    } else if (token === '}' || token === ']') {
      depth--;
      const isEmpty = /[{[]\n *$/.test(result.slice(-unit.length * (depth + 1) - 2));
      result = isEmpty ? result.trimEnd() + token : result + newline() + token;
    } else if (token === ',') result += token + newline();
    else result += token === ':' ? ': ' : token;
  }
  return result;
}
