// tsdockerd: options, log, engine, signals. Ends on SIGTERM and SIGINT; the containers go on without it.
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { setCloseOnExecFrom } from '../native-bindings/files.ts';
import { returnLargeBuffers } from '../native-bindings/memory.ts';
import { exitNow } from '../native-bindings/process.ts';
import { isHostGoingDown } from './cgroups/systemd/host-state.ts';
import type { Log } from './containers/log.ts';
import { type Engine, openEngine } from './engine.ts';
import { EngineError } from './errors/engine-error.ts';
import { openLog } from './open-log.ts';
import { type DaemonOptions, optionsHelp, parseDaemonOptions } from './options.ts';
import { checkKernel, checkLibraries } from './runtime/check-kernel.ts';

/** When something hangs. The kernel may take seconds for the interfaces of a hundred containers; a service manager waits for longer than this. */
const closeLimitMs = 60_000;
/** What docs/debugging.md says of it: level debug, and the stack of what keeps the daemon from starting. */
const isDebugged = (process.env.TSDOCKER_DEBUG ?? '') !== '';

async function main(): Promise<void> {
  const command = parseDaemonOptions(process.argv.slice(2));
  if (command.kind === 'help') process.stdout.write(optionsHelp());
  else if (command.kind === 'version') process.stdout.write(`tsdocker daemon version ${version()}\n`);
  else await run(command.options);
}

async function run(options: DaemonOptions): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new EngineError('forbidden', 'tsdockerd needs to be started with root privileges: try sudo');
  }
  checkKernel();
  checkLibraries();
  // What was inherited open would be held by every monitor for ever.
  setCloseOnExecFrom(3);
  returnLargeBuffers();
  process.title = 'tsdockerd';
  process.umask(0o022);
  const { log } = await openLog(isDebugged ? 'debug' : options.logLevel);
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'an operation failed with nobody to tell'));
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'an internal error ends the daemon; containers go on');
    process.exit(1);
  });
  const engine = await openEngine(options, version(), log);
  endOnSignal(engine, log);
  log.info(
    { version: version(), dataRoot: options.dataRoot, hosts: options.hosts, pid: process.pid },
    'tsdockerd is ready',
  );
}

function endOnSignal(engine: Engine, log: Log): void {
  let isEnding = false;
  const end = (signal: string) => {
    if (isEnding) return;
    isEnding = true;
    // Not process.exit(): a job that did not stop in time may still run.
    void endDaemon(engine, log, signal).then(() => exitNow(0));
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  process.on('SIGHUP', () => log.info({}, 'SIGHUP: there is nothing to read again'));
}

/** The containers go on, unless the host itself is going down: then they end as `stop` ends them, and their exits are recorded. */
async function endDaemon(engine: Engine, log: Log, signal: string): Promise<void> {
  if (await isHostGoingDown()) {
    log.info({ signal }, 'the host is going down: tsdockerd ends the containers');
    await engine.endWithHost();
  } else {
    log.info({ signal }, 'tsdockerd ends; containers go on');
  }
  setTimeout(() => {
    log.error({}, `tsdockerd did not end within ${closeLimitMs} ms: what is left is taken care of at its next start`);
    exitNow(1);
  }, closeLimitMs).unref();
  await engine.close();
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version: unknown }).version);
}

main().catch((error: unknown) => {
  const known = error instanceof EngineError;
  const reason = known && error.cause instanceof Error ? error.cause.message : '';
  const cause = reason === '' || (error instanceof Error && error.message.includes(reason)) ? '' : `: ${reason}`;
  // What the kernel refused is a sentence already: operation, reason, file. The stack is for what should not be.
  const isOfKernel = error instanceof Error && 'syscall' in error;
  const hasSentence = (known || isOfKernel) && !isDebugged;
  const words = hasSentence ? `${error.message}${cause}` : inspect(error);
  process.stderr.write(`tsdockerd: ${words}\n`);
  process.exitCode = 1;
  // What was opened before the failure must not keep the process.
  process.exit();
});
