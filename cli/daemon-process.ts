// The daemon as a process: run in the foreground (`tsdocker daemon`), or started in the background when nobody listens.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, realpathSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { CliError } from './errors.ts';
import type { Output } from './terminal/output.ts';

/** How long a started daemon may take until it answers. */
const startTimeoutMs = 20_000;
const pollMs = 10;
const logPath = '/var/log/tsdockerd.log';

/** bin/tsdockerd of this installation, found from the script that runs: the bundle or the source file. */
function daemonBinary(): string {
  let directory = dirname(realpathSync(process.argv[1] ?? '.'));
  for (let level = 0; level < 4; level++, directory = dirname(directory)) {
    const candidate = join(directory, 'bin', 'tsdockerd');
    if (existsSync(candidate)) return candidate;
  }
  throw new CliError('bin/tsdockerd is missing from this installation: install tsdocker again');
}

export async function runDaemon(args: readonly string[]): Promise<number> {
  const child = spawn(daemonBinary(), args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new CliError(`start ${daemonBinary()}: ${error.message}`)));
    child.once('exit', (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });
}

/** Starts a daemon in its own session and waits until it answers; says so on `err`. */
export async function startDaemon(host: string, err: Output): Promise<boolean> {
  const socketPath = host.slice('unix://'.length);
  err.line(`tsdocker: no daemon at ${host}: starting one (its log: ${logPath})`);
  const log = openSync(logPath, 'a', 0o640);
  const child = spawn(daemonBinary(), [], { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = signal ?? `exit status ${code}`;
  });
  const deadline = Date.now() + startTimeoutMs;
  while (!(await answers(socketPath))) {
    // Another client may have started one at the same time; then ours ends and the other's answers.
    if (ended !== undefined && !(await answers(socketPath))) {
      throw new CliError(`the daemon could not be started (${ended}): see ${logPath}`);
    }
    if (Date.now() > deadline) throw new CliError(`the daemon does not answer: see ${logPath}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  child.unref();
  return true;
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
