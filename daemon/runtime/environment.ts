// The environment of a process in a container: Docker's rules of what is there unasked and what overrides what.
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface EnvironmentInput {
  hostname: string;
  tty: boolean;
  /** `NAME=value`, or `NAME` alone, which takes the variable away. Later entries win. */
  env: readonly string[];
  /** From /etc/passwd; used when nothing sets HOME. */
  home: string;
}

/** Pure: PATH, HOSTNAME, TERM for a terminal, then what was asked, HOME last. */
export function environment({ hostname, tty, env, home }: EnvironmentInput): string[] {
  const variables = new Map<string, string>([
    ['PATH', DEFAULT_PATH],
    ['HOSTNAME', hostname],
  ]);
  if (tty) variables.set('TERM', 'xterm');
  for (const entry of env) {
    const equals = entry.indexOf('=');
    if (equals < 0) variables.delete(entry);
    else variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  if (!variables.get('HOME')) variables.set('HOME', home);
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

const MAX_PATH_ENTRIES = 256;

/**
 * Files to try for a command, in the order of the container's own PATH. Relative entries are passed over: they would depend on the
 * working directory. Empty when there is nothing to try.
 */
export function commandCandidates(command: string, env: readonly string[]): string[] {
  if (command === '') return [];
  if (command.includes('/')) return [command];
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  return (
    path
      .split(':')
      .slice(0, MAX_PATH_ENTRIES)
      .filter((directory) => directory.startsWith('/'))
      // An image's PATH is a stranger's: only from its first slash on is a run of them looked at.
      .map((directory) => `${directory.replace(/(?<!\/)\/+$/, '')}/${command}`)
  );
}
