// HEALTHCHECK: NONE, or CMD with its times.
import { parseDurationNs } from '../../../protocols/units/go-duration.ts';
import type { HealthcheckInstruction } from '../instructions.ts';
import { ArgumentError } from './argument-error.ts';
import { readFlags } from './instruction-flags.ts';
import type { Statement } from './statement.ts';

const leastNs = 1_000_000;

/** Throws an ArgumentError or a FlagError. */
export function parseHealthcheck({ words, flags, isJson }: Statement): HealthcheckInstruction['check'] {
  const [type, ...args] = words;
  if (type === undefined) throw new ArgumentError('HEALTHCHECK requires at least one argument');
  const kind = type.toUpperCase();
  if (kind === 'NONE') {
    // Flags say nothing then, and docker does not look at them.
    if (args.length > 0) throw new ArgumentError('HEALTHCHECK NONE takes no arguments');
    return { kind: 'none' };
  }
  const values = readFlags(flags, {
    interval: 'string',
    timeout: 'string',
    'start-period': 'string',
    'start-interval': 'string',
    retries: 'string',
  });
  if (kind !== 'CMD') throw new ArgumentError(`Unknown type ${JSON.stringify(kind)} in HEALTHCHECK (try CMD)`);
  if (args.length === 0) throw new ArgumentError('Missing command after HEALTHCHECK CMD');
  return {
    kind: 'command',
    command: isJson ? { form: 'exec', args } : { form: 'shell', line: args.join(' ') },
    intervalNs: timeNs('interval', values.interval),
    timeoutNs: timeNs('timeout', values.timeout),
    startPeriodNs: timeNs('start-period', values['start-period']),
    startIntervalNs: timeNs('start-interval', values['start-interval']),
    retries: readRetries(values.retries),
  };
}

function timeNs(name: string, text = ''): number {
  if (text === '') return 0;
  let ns: number;
  try {
    ns = parseDurationNs(text);
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (ns !== 0 && ns < leastNs) throw new ArgumentError(`Interval "${name}" cannot be less than 1ms`);
  return ns;
}

function readRetries(text = ''): number {
  if (text === '') return 0;
  const fail = (why: string) => new ArgumentError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${why}`);
  if (!/^[+-]?\d+$/.test(text)) throw fail('invalid syntax');
  const retries = Number(text);
  if (retries > 0x7fffffff || retries < -0x80000000) throw fail('value out of range');
  if (retries < 0) throw new ArgumentError(`--retries cannot be negative (${retries})`);
  return retries;
}
