// The user's terminal in raw mode while a container's terminal is attached to it, and back again whatever happens.
import { CliError } from '../errors.ts';
import { isTerminal } from './output.ts';

/**
 * Node's own raw mode keeps output processing, which would turn the container's line feeds into CR LF a second time, so
 * `stty` switches that off. Node gives all settings back, those included.
 * @returns gives the terminal back; may be called more than once.
 */
export function enterRawMode(): () => void {
  if (!isTerminal(0)) return () => {};
  const { stdin } = process;
  stdin.setRawMode(true);
  stty('-opost');
  let isRaw = true;
  const restore = () => {
    if (!isRaw) return;
    isRaw = false;
    stdin.setRawMode(false);
    process.off('exit', restore);
    for (const signal of deadly) process.off(signal, die);
  };
  const die = (signal: NodeJS.Signals) => {
    // Where signals are passed on to the container, this program lives on.
    if (process.listenerCount(signal) > 1) return;
    restore();
    process.kill(process.pid, signal);
  };
  process.on('exit', restore);
  for (const signal of deadly) process.on(signal, die);
  return restore;
}

/** Signals that end a program and come from outside: in raw mode no key makes one. */
const deadly: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGALRM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGXCPU',
];

function stty(setting: string): void {
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  // Without stty lines may only look doubled in full-screen programs: not worth failing for.
  spawnSync('stty', [setting], { stdio: ['inherit', 'ignore', 'ignore'], timeout: 2000 });
}

/** Docker's refusal of `-t` with an input that is no terminal. */
export function checkTerminal(attachStdin: boolean, tty: boolean): void {
  if (attachStdin && tty && !isTerminal(0)) throw new CliError('the input device is not a TTY');
}
