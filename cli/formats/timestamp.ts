// Moments as users give them to --since and --until: a duration back from now, a date, or seconds since 1970.
import { parseDurationNs } from '../../daemon/protocols/units/go-duration.ts';

const datePattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:\d{2})?$/;

/** Seconds since 1970 with nine decimals where they matter, as the API takes it. */
export function parseTimestamp(text: string, nowMs = Date.now()): string {
  if (text !== '0') {
    const durationNs = tryDuration(text);
    if (durationNs !== undefined) return String(Math.floor((nowMs - durationNs / 1e6) / 1000));
  }
  if (/^-?\d+(\.\d{1,9})?$/.test(text)) return text;
  const match = datePattern.exec(text);
  if (!match) throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = match;
  const parts = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [y, mo, d, h, mi, s] = parts;
  let ms = zone === undefined ? new Date(y, mo - 1, d, h, mi, s).getTime() : Date.UTC(y, mo - 1, d, h, mi, s);
  if (zone !== undefined && zone !== 'Z') {
    const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
    ms -= (zone.startsWith('-') ? -minutes : minutes) * 60_000;
  }
  return `${Math.floor(ms / 1000)}.${fraction.padEnd(9, '0')}`;
}

function tryDuration(text: string): number | undefined {
  try {
    return parseDurationNs(text);
  } catch {
    return undefined;
  }
}
