// The formats of the files of control groups: single numbers, and lines of a key and a number.

/** A counter; undefined for "max", for nothing, and for what is no number. Values beyond 2^53 are rounded. */
export function parseCounter(text: string | undefined): number | undefined {
  const word = text?.trim();
  return word !== undefined && /^[0-9]+$/.test(word) ? Number(word) : undefined;
}

/** `key value` lines. Values that a 64-bit signed reader could not take are left out. */
export function parseKeyed(text: string | undefined): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of (text ?? '').split('\n')) {
    const space = line.indexOf(' ');
    if (space <= 0) continue;
    const value = parseCounter(line.slice(space + 1));
    if (value !== undefined && value < 2 ** 63) values.set(line.slice(0, space), value);
  }
  return values;
}

/** The numbers of a list with one per line; lines that are none are skipped. */
export function parseLines(text: string | undefined): number[] {
  const numbers: number[] = [];
  for (const line of (text ?? '').split('\n')) {
    const number = parseCounter(line);
    if (number !== undefined) numbers.push(number);
  }
  return numbers;
}
