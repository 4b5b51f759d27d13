// Go's durations: `1h2m3.5s` in and out, as nanoseconds.
const unitNs: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Nanoseconds; throws with Go's wording. */
export function parseDurationNs(text: string): number {
  const bad = (why: string) => new Error(`time: ${why} duration ${JSON.stringify(text)}`);
  const negative = text.startsWith('-');
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') throw bad('invalid');
  let total = 0n;
  while (rest !== '') {
    const match = /^(\d*)(?:\.(\d*))?([^\d.]*)/.exec(rest);
    const [all = '', whole = '', fraction = '', unit = ''] = match ?? [];
    if (whole === '' && fraction === '') throw bad('invalid');
    if (unit === '') throw bad('missing unit in');
    const scale = Object.hasOwn(unitNs, unit) ? unitNs[unit] : undefined;
    if (scale === undefined) {
      throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    }
    total += BigInt(whole || '0') * scale + (BigInt(fraction || '0') * scale) / 10n ** BigInt(fraction.length);
    rest = rest.slice(all.length);
  }
  if (total > 2n ** 63n - 1n) throw bad('invalid');
  return Number(negative ? -total : total);
}

/** As Go prints a duration: `1m30s`, `250ms`, `0s`. */
export function formatDurationNs(ns: number): string {
  if (ns === 0) return '0s';
  const sign = ns < 0 ? '-' : '';
  const abs = Math.abs(ns);
  const trim = (value: number, unit: string) => `${sign}${Number(value.toFixed(9))}${unit}`;
  if (abs < 1e3) return trim(abs, 'ns');
  if (abs < 1e6) return trim(abs / 1e3, 'µs');
  if (abs < 1e9) return trim(abs / 1e6, 'ms');
  const hours = Math.floor(abs / 3.6e12);
  const minutes = Math.floor((abs % 3.6e12) / 6e10);
  const seconds = `${Number(((abs % 6e10) / 1e9).toFixed(9))}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : sign + seconds;
}
