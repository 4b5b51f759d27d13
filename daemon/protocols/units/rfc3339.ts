// Times as Docker writes them: RFC 3339 with nanoseconds. Inside, times are bigint nanoseconds
// since 1970; 0n is "never", which Docker writes as the year 1.

const zeroTime = '0001-01-01T00:00:00Z';

/** Go's RFC3339Nano: no trailing zeros in the fraction. */
export function formatTime(ns: bigint): string {
  if (ns <= 0n) return zeroTime;
  const fraction = (ns % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${secondsText(ns)}${fraction === '' ? '' : `.${fraction}`}Z`;
}

/** The fixed-width form that prefixes log lines. */
export function formatLogTime(ns: bigint): string {
  return `${secondsText(ns)}.${(ns % 1_000_000_000n).toString().padStart(9, '0')}Z`;
}

function secondsText(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
}
