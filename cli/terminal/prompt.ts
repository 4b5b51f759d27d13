// Questions on the user's terminal: one line each, hidden when it is a secret.
import { CliError } from '../errors.ts';
import { isTerminal, type Output } from './output.ts';

const limitChars = 64 * 1024;

export interface Prompter {
  /** The line without its end. Fails when the input ends before anything was typed. */
  ask(question: string, options?: { hidden?: boolean }): Promise<string>;
  close(): void;
}

/** Docker's refusal where nobody can answer. */
export function requireTerminal(): void {
  if (!isTerminal(0)) throw new CliError('Error: Cannot perform an interactive login from a non TTY device');
}

/** What was typed ahead of a question stays for the next one. */
export function openPrompter(out: Output): Prompter {
  const { stdin } = process;
  const chunks = stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let ahead = '';
  return {
    async ask(question, { hidden = false } = {}) {
      out.print(question);
      // Raw mode is the one way to end echo that Node has; it takes the line editing with it.
      if (hidden) stdin.setRawMode(true);
      try {
        for (;;) {
          const line = takeLine(ahead, hidden);
          if (line) {
            ahead = line.rest;
            return line.text;
          }
          const next = await chunks.next();
          if (next.done) return ahead;
          ahead += String(next.value);
          if (ahead.length > limitChars) throw new CliError('the line that was typed is too long');
        }
      } finally {
        if (hidden) {
          stdin.setRawMode(false);
          out.print('\n');
        }
      }
    },
    close() {
      stdin.pause();
    },
  };
}

/** The first whole line of what was typed; in raw mode with the keys applied that the terminal would have. */
export function takeLine(typed: string, isRaw: boolean): { text: string; rest: string } | undefined {
  let text = '';
  for (let i = 0; i < typed.length; i++) {
    const key = typed[i] as string;
    if (key === '\n' || key === '\r') return { text, rest: typed.slice(i + 1) };
    if (!isRaw) text += key;
    else if (key === '\x03') throw new CliError('', 130);
    else if (key === '\x04') return { text, rest: typed.slice(i + 1) };
    else if (key === '\x7f' || key === '\b') text = text.slice(0, -1);
    else if (key === '\x15') text = '';
    else text += key;
  }
  return undefined;
}

/** All of standard input, for `--password-stdin`. */
export async function readInput(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > limitChars) throw new CliError('standard input is too long for a password');
  }
  return text;
}
