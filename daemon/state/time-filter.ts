// The `until` filter: a unix time, an RFC 3339 time, or an age such as "24h" or "1h30m".
import { EngineError } from '../errors/engine-error.ts';
import { parseDurationNs } from '../protocols/units/go-duration.ts';
import { wallClockNs } from './event-log.ts';
import type { Filters } from './filters.ts';

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
  const ageNs = ageOf(text);
  if (ageNs !== undefined) return wallClockNs() - BigInt(ageNs);
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const ms = Date.parse(text.length === 10 ? `${text}T00:00:00` : text);
    if (!Number.isNaN(ms)) return BigInt(ms) * 1_000_000n;
  }
  return undefined;
}

function ageOf(text: string): number | undefined {
  if (!/^\d/.test(text)) return undefined;
  try {
    return parseDurationNs(text);
  } catch {
    return undefined;
  }
}
