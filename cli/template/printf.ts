// Go's fmt verbs, as far as values of a template can use them.

import { formatGeneral } from '../../daemon/protocols/units/human-units.ts';
import { goQuote } from '../formats/go-text.ts';
import { printValue } from './values.ts';

const directive = /%([-+# 0]*)(\d+|\*)?(?:\.(\d+|\*))?([a-zA-Z%])/g;

export function sprintf(format: string, args: readonly unknown[]): string {
  let next = 0;
  const result = format.replace(directive, (all, flags: string, width: string, precision: string, verb: string) => {
    if (verb === '%') return '%';
    const number = (text: string | undefined) => (text === '*' ? Number(args[next++]) : text && Number(text));
    const columns = number(width) || 0;
    const digits = number(precision);
    if (next >= args.length) return `%!${verb}(MISSING)`;
    const text = convert(verb, args[next++], typeof digits === 'number' ? digits : undefined, flags) ?? all;
    return pad(text, Math.min(columns, 10_000), flags);
  });
  if (next >= args.length) return result;
  const extra = args.slice(next).map((value) => printValue(value));
  return `${result}%!(EXTRA ${extra.join(', ')})`;
}

function pad(text: string, columns: number, flags: string): string {
  if (flags.includes('-')) return text.padEnd(columns);
  if (!flags.includes('0')) return text.padStart(columns);
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + text.slice(sign.length).padStart(columns - sign.length, '0');
}

function convert(verb: string, value: unknown, precision: number | undefined, flags: string): string | undefined {
  const plus = flags.includes('+') && Number(value) >= 0 ? '+' : '';
  switch (verb) {
    case 'v':
    case 's':
      return printValue(value).slice(0, verb === 's' ? precision : undefined);
    case 'q':
      return goQuote(printValue(value));
    case 'd':
      return plus + BigInt(Math.trunc(Number(value)));
    case 't':
      return String(value);
    case 'x':
    case 'X': {
      const hex = typeof value === 'string' ? Buffer.from(value).toString('hex') : BigInt(Number(value)).toString(16);
      return verb === 'x' ? hex : hex.toUpperCase();
    }
    case 'o':
      return BigInt(Number(value)).toString(8);
    case 'b':
      return BigInt(Number(value)).toString(2);
    case 'c':
      return String.fromCodePoint(Number(value));
    case 'f':
    case 'F':
      return plus + Number(value).toFixed(precision ?? 6);
    case 'e':
      return Number(value)
        .toExponential(precision ?? 6)
        .replace(/e([+-])(\d)$/, 'e$10$2');
    case 'g':
      return plus + (precision === undefined ? String(Number(value)) : formatGeneral(Number(value), precision));
    default:
      return undefined;
  }
}
