// The `until` filter: a unix time, an RFC 3339 time, or an age such as "24h" or "1h30m".
import { EngineError } from '../errors/engine-error.ts';
import { wallClockNs } from './event-log.ts';
import type { Filters } from './filters.ts';

const unitNs: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Nanoseconds since 1970; undefined when the filter is not there. */
export function parseTimeFilter(filters: Filters): bigint | undefined {
  const values = filters.get('until') ?? [];
  const [value] = values;
  if (value === undefined) return undefined;
  if (values.length > 1) throw new EngineError('invalid', 'more than one until filter specified');
  const ns = parseTime(value);
  if (ns === undefined) throw new EngineError('invalid', `invalid filter 'until=${value}'`);
  return ns;
}

function parseTime(text: string): bigint | undefined {
  const unix = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (unix !== null) return BigInt(unix[1] ?? 0) * 1_000_000_000n + BigInt((unix[2] ?? '').padEnd(9, '0'));
  if (/^(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) {
    let ageNs = 0;
    for (const [, amount, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
      ageNs += Number(amount) * (unitNs[unit ?? 's'] ?? 0);
    }
    return wallClockNs() - BigInt(Math.round(ageNs));
  }
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const ms = Date.parse(text.length === 10 ? `${text}T00:00:00` : text);
    if (!Number.isNaN(ms)) return BigInt(ms) * 1_000_000n;
  }
  return undefined;
}
