import type { ContainerInspectResponse } from '../../../daemon/docker-types/container.ts';
import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { proxySignals } from '../../attach/signals.ts';
import { connectStreams } from '../../attach/streams.ts';
import { nudgeTerminalSize } from '../../attach/terminal-size.ts';
import { watchExit } from '../../attach/wait-exit.ts';
import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError } from '../../errors.ts';
import { checkTerminal } from '../../terminal/raw-mode.ts';

export const attach = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  short: 'Attach local standard input, output, and error streams to a running container',
  aliases: ['container attach', 'attach'],
  flags: {
    detachKeys: stringFlag('detach-keys', 'Override the key sequence for detaching a container'),
    noStdin: boolFlag('no-stdin', 'Do not attach STDIN'),
    sigProxy: boolFlag('sig-proxy', 'Proxy all received signals to the process', { initial: true }),
  },
  arguments: exactly(1),
  async run({ cli, flags, args: [name = ''] }) {
    const container = await inspectRunning(cli, name);
    const { Id: id, Config: config } = container;
    checkTerminal(!flags.noStdin, config.Tty);
    const stdin = !flags.noStdin && config.OpenStdin;
    const detachKeys = flags.detachKeys || cli.config().detachKeys || '';
    const stopProxy = flags.sigProxy && !config.Tty ? proxySignals(cli, id) : () => {};
    try {
      const exit = await watchExit(cli, id, 'not-running');
      const hijacked = await cli.client.hijack(`/containers/${segment(id)}/attach`, {
        query: {
          detachKeys: detachKeys || undefined,
          stderr: '1',
          stdin: stdin ? '1' : undefined,
          stdout: '1',
          stream: '1',
        },
      });
      if (config.Tty && cli.out.isTerminal) await nudgeTerminalSize(cli, `/containers/${segment(id)}`);
      const streams = connectStreams(cli, hijacked, { tty: config.Tty, stdin, stdout: true, stderr: true, detachKeys });
      if ((await streams.done) === 'detached') throw new CliError('read escape sequence');
      return await exit.status;
    } finally {
      stopProxy();
    }
  },
});

async function inspectRunning(cli: Cli, name: string): Promise<ContainerInspectResponse> {
  const container = await cli.client.get<ContainerInspectResponse>(`/containers/${segment(name)}/json`);
  const { State } = container;
  if (!State.Running) throw new CliError('You cannot attach to a stopped container, start it first');
  if (State.Paused) throw new CliError('You cannot attach to a paused container, unpause it first');
  if (State.Restarting) throw new CliError('You cannot attach to a restarting container, wait until it is running');
  return container;
}
