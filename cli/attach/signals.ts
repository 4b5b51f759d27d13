// Signals to this program, passed on to the container.
import { segment } from '../client/api-client.ts';
import type { Cli } from '../context.ts';

/**
 * All that Node can catch, except those about this process itself (CHLD, PIPE, URG) and those that job control needs to stop
 * a background job (TTIN, TTOU).
 */
const proxied: readonly NodeJS.Signals[] = [
  'SIGALRM',
  'SIGCONT',
  'SIGHUP',
  'SIGINT',
  'SIGIO',
  'SIGPWR',
  'SIGQUIT',
  'SIGSTKFLT',
  'SIGTERM',
  'SIGTSTP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGVTALRM',
  'SIGWINCH',
  'SIGXCPU',
  'SIGXFSZ',
];

/** How many INT and TERM a user sends before this program gives up on the container. */
const patience = 3;

/** @returns stops passing on. */
export function proxySignals(cli: Cli, containerId: string): () => void {
  let asked = 0;
  const listener = (signal: NodeJS.Signals) => {
    if ((signal === 'SIGINT' || signal === 'SIGTERM') && ++asked === patience) {
      cli.err.line(`got ${patience} SIGTERM/SIGINTs, forcefully exiting`);
      process.exit(1);
    }
    cli.client
      .post(`/containers/${segment(containerId)}/kill`, { query: { signal: signal.slice('SIG'.length) } })
      // The container may just have ended: its end is reported elsewhere.
      .catch(() => {});
  };
  for (const signal of proxied) process.on(signal, listener);
  return () => {
    for (const signal of proxied) process.off(signal, listener);
  };
}
