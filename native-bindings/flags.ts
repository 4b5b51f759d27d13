// Turns numbers back into the names of the header files, for error messages and for the program's disassembly.

/**
 * `decodeFlags('MS', MS, 0x5000)` is `MS_BIND|MS_REC`. Names of several bits are used before their parts; bits without a name are
 * added in hexadecimal; no bit at all is `0`.
 */
export function decodeFlags(prefix: string, family: Readonly<Record<string, number>>, value: number | bigint): string {
  let rest = BigInt(value);
  if (rest === 0n) return '0';
  const names: string[] = [];
  const bySize = Object.entries(family)
    .filter(([, bits]) => bits > 0)
    .sort((a, b) => bitCount(b[1]) - bitCount(a[1]) || a[1] - b[1]);
  for (const [name, bits] of bySize) {
    const mask = BigInt(bits);
    if ((rest & mask) !== mask) continue;
    names.push(`${prefix}_${name}`);
    rest &= ~mask;
  }
  if (rest !== 0n) names.push(`0x${rest.toString(16)}`);
  return names.join('|');
}

/** The name of one value of a family that is not made of bits: `PR_SET_NAME`; the number itself when it has none. */
export function decodeValue(prefix: string, family: Readonly<Record<string, number>>, value: number | bigint): string {
  const found = Object.entries(family).find(([, number]) => number === Number(value));
  return found ? `${prefix}_${found[0]}` : `${value}`;
}

function bitCount(value: number): number {
  let count = 0;
  for (let rest = BigInt(value); rest > 0n; rest >>= 1n) if (rest & 1n) count++;
  return count;
}
