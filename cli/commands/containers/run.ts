import type { ContainerCreateRequest } from '../../../daemon/docker-types/container-actions.ts';
import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { proxySignals } from '../../attach/signals.ts';
import { type AttachedStreams, connectStreams } from '../../attach/streams.ts';
import { followTerminalSize } from '../../attach/terminal-size.ts';
import { watchExit } from '../../attach/wait-exit.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { ApiError, CliError, messageOf } from '../../errors.ts';
import { containerFlags } from '../../options/container-flags.ts';
import { checkPullPolicy, createContainer } from '../../options/create-container.ts';
import { checkTerminal } from '../../terminal/raw-mode.ts';
import { describeErrors, explainedError, requestFromFlags } from './create.ts';

const flags = {
  ...containerFlags,
  detach: boolFlag('detach,d', 'Run container in background and print container ID'),
  detachKeys: stringFlag('detach-keys', 'Override the key sequence for detaching a container'),
  pull: stringFlag('pull', 'Pull image before running ("always", "missing", "never")', { initial: 'missing' }),
  sigProxy: boolFlag('sig-proxy', 'Proxy received signals to the process', { initial: true }),
};

export const run = defineCommand({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  short: 'Create and run a new container from an image',
  aliases: ['container run', 'run'],
  flags,
  arguments: atLeast(1),
  interspersed: false,
  async run({ cli, flags: values, args, changed }) {
    const request = describeErrors(cli, 'run', () => {
      checkPullPolicy(values.pull);
      return requestFromFlags(cli, values, args, changed);
    });
    if (!values.detach) checkTerminal(request.AttachStdin ?? false, values.tty);
    else {
      if (values.attach.length > 0)
        throw new CliError('conflicting options: cannot specify both --attach and --detach');
      Object.assign(request, { AttachStdin: false, AttachStdout: false, AttachStderr: false, StdinOnce: false });
    }
    const id = await createContainer(cli, request, values).catch((error: unknown) => {
      throw explainedError(cli, 'run', error, startStatus(error));
    });
    const stopProxy = values.sigProxy ? proxySignals(cli, id) : () => {};
    try {
      return await runCreated(cli, id, request, { autoRemove: values.rm, detachKeys: values.detachKeys });
    } finally {
      stopProxy();
    }
  },
});

interface RunOptions {
  autoRemove: boolean;
  detachKeys: string;
}

async function runCreated(cli: Cli, id: string, request: ContainerCreateRequest, options: RunOptions): Promise<number> {
  const { AttachStdin: stdin = false, AttachStdout: stdout = false, AttachStderr: stderr = false } = request;
  const tty = request.Tty ?? false;
  const isAttached = stdin || stdout || stderr;
  const start = () => cli.client.post(`/containers/${segment(id)}/start`);
  if (!isAttached) {
    await start().catch((error: unknown) => {
      throw startError(cli, error);
    });
    cli.out.line(id);
    return 0;
  }
  const detachKeys = options.detachKeys || cli.config().detachKeys || '';
  // Both are open before the container starts, so that not a byte and no end is missed.
  const [hijacked, exit] = await Promise.all([
    cli.client.hijack(`/containers/${segment(id)}/attach`, {
      query: {
        detachKeys: detachKeys || undefined,
        stderr: stderr ? '1' : undefined,
        stdin: stdin ? '1' : undefined,
        stdout: stdout ? '1' : undefined,
        stream: '1',
      },
    }),
    watchExit(cli, id, options.autoRemove ? 'removed' : 'next-exit'),
  ]);
  const streams = connectStreams(cli, hijacked, { tty, stdin, stdout, stderr, detachKeys });
  streams.done.catch(() => {});
  try {
    await start();
  } catch (error) {
    await abandon(streams);
    if (options.autoRemove) await exit.status.catch(() => {});
    throw startError(cli, error);
  }
  if (tty && cli.out.isTerminal) followTerminalSize(cli, `/containers/${segment(id)}`);
  if ((await streams.done) === 'detached') return 0;
  return stdout || stderr ? exit.status : 0;
}

async function abandon(streams: AttachedStreams): Promise<void> {
  streams.cancel();
  await streams.done.catch(() => {});
}

function startError(cli: Cli, error: unknown): CliError {
  return explainedError(cli, 'run', error, startStatus(error));
}

/** 127: there is no such command; 126: it cannot be run; 125: everything else. */
export function startStatus(error: unknown): number {
  const text = error instanceof ApiError ? error.detail : messageOf(error);
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(text))
    return 127;
  if (/permission denied|is a directory/.test(text)) return 126;
  return 125;
}
