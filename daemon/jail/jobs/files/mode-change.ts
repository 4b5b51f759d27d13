// What --chmod says: an octal number, or words as chmod(1) has them ("u=rwX,go-w"). Pure.
import { EngineError } from '../../../errors/engine-error.ts';

/** A file's permissions (12 bits) become others. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const WHO = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 } as const;
/** Without a letter for whom, what the usual umask forbids is left alone. */
const UMASK = 0o022;

/** The mode that an octal number is; undefined: it is none. */
export function octalMode(text: string): number | undefined {
  const mode = /^[0-7]{1,12}$/.test(text) ? Number.parseInt(text, 8) : undefined;
  return mode === undefined || mode > 0o7777 ? undefined : mode;
}

/** Throws 'invalid' for what is neither. */
export function modeChange(text: string): ModeChange {
  const wanted = octalMode(text);
  if (wanted !== undefined) return () => wanted;
  if (text === '' || /^\d/.test(text)) throw refused(text);
  const clauses = text.split(',').map((clause) => clauseOf(clause, text));
  return (mode, isDirectory) => clauses.reduce((now, apply) => apply(now, isDirectory), mode & 0o7777);
}

function clauseOf(clause: string, text: string): ModeChange {
  const found = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause);
  if (found === null) throw refused(text);
  const [, letters = '', rest = ''] = found;
  let who = 0;
  for (const letter of letters) who |= WHO[letter as keyof typeof WHO];
  const mask = letters === '' ? 0o7777 & ~UMASK : who;
  const steps = [...rest.matchAll(/([-+=])([ugo]|[rwxXst]*)/g)].map(([, operator = '', what = '']) => ({
    operator,
    what,
  }));
  return (start, isDirectory) => {
    let mode = start;
    for (const { operator, what } of steps) {
      const bits = bitsOf(what, mode, isDirectory) & mask;
      if (operator === '+') mode |= bits;
      else if (operator === '-') mode &= ~bits;
      else mode = (mode & ~cleared(what, letters === '' ? 0o7777 : who)) | bits;
    }
    return mode;
  };
}

/** As BuildKit has it, of directories too: `=` leaves the sticky bit, and set-user-ID and set-group-ID where it copies permissions. */
function cleared(what: string, who: number): number {
  return who & (/^[ugo]$/.test(what) ? 0o777 : 0o6777);
}

/** For all three kinds of users; the mask takes those that are meant. */
function bitsOf(what: string, mode: number, isDirectory: boolean): number {
  if (what === 'u' || what === 'g' || what === 'o') {
    const shift = { u: 6, g: 3, o: 0 }[what];
    const bits = (mode >> shift) & 7;
    return (bits << 6) | (bits << 3) | bits;
  }
  let bits = 0;
  for (const letter of what) {
    if (letter === 'r') bits |= 0o444;
    else if (letter === 'w') bits |= 0o222;
    else if (letter === 'x') bits |= 0o111;
    else if (letter === 'X') bits |= isDirectory || (mode & 0o111) !== 0 ? 0o111 : 0;
    else if (letter === 's') bits |= 0o6000;
    else bits |= 0o1000;
  }
  return bits;
}

function refused(text: string): EngineError {
  return new EngineError('invalid', `invalid mode ${JSON.stringify(text.slice(0, 100))}: neither octal nor symbolic`);
}
