// Signal names and numbers as docker's clients write them: "TERM", "SIGTERM", "sigterm", "15", "RTMIN+3".
import { constants } from 'node:os';
import { EngineError } from '../errors/engine-error.ts';

const rtMin = 34;
const rtMax = 64;
const extra: ReadonlyMap<string, number> = new Map([
  ['CLD', 17],
  ['POLL', 29],
  ['RTMIN', rtMin],
  ['RTMAX', rtMax],
]);

/** The number of a signal. Throws 'invalid' with docker's words. */
export function parseSignal(text: string): number {
  if (/^\d{1,9}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= rtMax) return number;
    throw invalid(text);
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const known = extra.get(name) ?? (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
  if (typeof known === 'number') return known;
  const relative = /^(RTMIN\+|RTMAX-)(\d{1,2})$/.exec(name);
  if (relative !== null) {
    const number = relative[1] === 'RTMIN+' ? rtMin + Number(relative[2]) : rtMax - Number(relative[2]);
    if (number >= rtMin && number <= rtMax) return number;
  }
  throw invalid(text);
}

/** As parseSignal, saying what was to be done, as docker does: "cannot kill container: web: invalid signal: FOO". */
export function parseSignalFor(what: 'kill' | 'stop', ref: string, text: string): number {
  try {
    return parseSignal(text);
  } catch (error) {
    throw new EngineError('invalid', `cannot ${what} container: ${ref}: ${(error as Error).message}`);
  }
}

function invalid(text: string): EngineError {
  return new EngineError('invalid', `invalid signal: ${text}`);
}
