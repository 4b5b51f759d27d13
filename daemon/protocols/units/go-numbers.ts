// Numbers and truth values as Go's strconv reads them, with its error texts: they are part of docker's messages.

export function parseBool(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/**
 * Base 10, or 0x/0o/0b/0 prefixed as Go's base 0. Values that JavaScript cannot hold exactly are refused as out of range: no
 * limit of a container is that large.
 */
export function parseInteger(text: string, kind: { bits: 16 | 32 | 64; signed: boolean }): number {
  const name = kind.signed ? 'ParseInt' : 'ParseUint';
  const fail = (why: string) => new Error(`strconv.${name}: parsing ${JSON.stringify(text)}: ${why}`);
  const match = /^([+-]?)(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[0-9][0-9_]*)$/.exec(text);
  if (!match || (!kind.signed && match[1] !== '') || /__|_$/.test(text)) throw fail('invalid syntax');
  const digits = (match[2] ?? '').replaceAll('_', '');
  const octal = /^0[0-7]+$/.test(digits);
  const value = Number(BigInt(octal ? `0o${digits.slice(1)}` : digits)) * (match[1] === '-' ? -1 : 1);
  const limit = kind.bits === 64 ? Number.MAX_SAFE_INTEGER : 2 ** (kind.signed ? kind.bits - 1 : kind.bits) - 1;
  if (value > limit || value < -limit - 1) throw fail('value out of range');
  return value === 0 ? 0 : value;
}

/** A decimal or a fraction (`1.5`, `3/2`) of CPUs as billionths. Source: docker's NanoCPUs. */
export function parseNanoCpus(text: string): number {
  const match = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2}))?$|^([+-]?)\.(\d+)$|^([+-]?)(\d+)\/(\d+)$/.exec(text);
  if (!match) throw new Error(`failed to parse ${text} as a rational number`);
  const sign = [match[1], match[5], match[7]].includes('-') ? -1n : 1n;
  let nano: bigint;
  if (match[8] !== undefined) {
    const denominator = BigInt(match[9] ?? '1');
    if (denominator === 0n) throw new Error(`failed to parse ${text} as a rational number`);
    const numerator = BigInt(match[8]) * 1_000_000_000n;
    if (numerator % denominator !== 0n) throw new Error('value is too precise');
    nano = numerator / denominator;
  } else {
    const fraction = match[3] ?? match[6] ?? '';
    const scale = 9 - fraction.length + Number(match[4] ?? 0);
    const digits = BigInt((match[2] ?? '') + fraction);
    const divisor = 10n ** BigInt(Math.max(0, -scale));
    if (digits % divisor !== 0n) throw new Error('value is too precise');
    nano = (digits / divisor) * 10n ** BigInt(Math.max(0, scale));
  }
  return Number(sign * nano);
}
