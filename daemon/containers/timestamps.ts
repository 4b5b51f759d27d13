// Times of the API: RFC 3339 with nanoseconds, and the short ages that `docker ps` shows. Inside, times are bigint nanoseconds
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

/** "About a minute", "3 hours", "2 weeks": as docker's clients and daemon say it. */
export function humanDuration(ns: bigint): string {
  const seconds = Math.floor(Number(ns) / 1e9);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(seconds / 3600 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(seconds / 3600 / 24 / 365)} years`;
}
