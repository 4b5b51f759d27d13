import type { ContainerInspectResponse } from '../../../daemon/docker-types/container.ts';
import { boolFlag, type FlagValues, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { proxySignals } from '../../attach/signals.ts';
import { connectStreams } from '../../attach/streams.ts';
import { followTerminalSize } from '../../attach/terminal-size.ts';
import { watchExit } from '../../attach/wait-exit.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf } from '../../errors.ts';

const flags = {
  attach: boolFlag('attach,a', 'Attach STDOUT/STDERR and forward signals'),
  checkpoint: stringFlag('checkpoint', 'Restore from this checkpoint'),
  checkpointDir: stringFlag('checkpoint-dir', 'Use a custom checkpoint storage directory'),
  detachKeys: stringFlag('detach-keys', 'Override the key sequence for detaching a container'),
  interactive: boolFlag('interactive,i', "Attach container's STDIN"),
};

type Flags = FlagValues<typeof flags>;

export const start = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Start one or more stopped containers',
  aliases: ['container start', 'start'],
  flags,
  arguments: atLeast(1),
  async run({ cli, flags: values, args }) {
    if (values.attach || values.interactive) {
      if (args.length > 1) throw new CliError('you cannot start and attach multiple containers at once');
      return startAttached(cli, args[0] ?? '', values);
    }
    if (values.checkpoint !== '' && args.length > 1) {
      throw new CliError('you cannot restore multiple containers at once');
    }
    const failed: string[] = [];
    for (const name of args) {
      try {
        await cli.client.post(`/containers/${segment(name)}/start`, { query: checkpointQuery(values) });
        cli.out.line(name);
      } catch (error) {
        cli.err.line(messageOf(error));
        failed.push(name);
      }
    }
    if (failed.length > 0) throw new CliError(`Error: failed to start containers: ${failed.join(', ')}`);
    return 0;
  },
});

function checkpointQuery(values: Flags) {
  return { checkpoint: values.checkpoint || undefined, 'checkpoint-dir': values.checkpointDir || undefined };
}

async function startAttached(cli: Cli, name: string, values: Flags): Promise<number> {
  const container = await cli.client.get<ContainerInspectResponse>(`/containers/${segment(name)}/json`);
  const { Id: id, Config: config } = container;
  const tty = config.Tty;
  const stdin = values.interactive && config.OpenStdin;
  const detachKeys = values.detachKeys || cli.config().detachKeys || '';
  const stopProxy = tty ? () => {} : proxySignals(cli, id);
  try {
    const [hijacked, exit] = await Promise.all([
      cli.client.hijack(`/containers/${segment(id)}/attach`, {
        query: {
          detachKeys: detachKeys || undefined,
          stderr: '1',
          stdin: stdin ? '1' : undefined,
          stdout: '1',
          stream: '1',
        },
      }),
      watchExit(cli, id, container.HostConfig.AutoRemove ? 'removed' : 'next-exit'),
    ]);
    const streams = connectStreams(cli, hijacked, { tty, stdin, stdout: true, stderr: true, detachKeys });
    streams.done.catch(() => {});
    try {
      await cli.client.post(`/containers/${segment(id)}/start`, { query: checkpointQuery(values) });
    } catch (error) {
      streams.cancel();
      await streams.done.catch(() => {});
      if (container.HostConfig.AutoRemove) await exit.status.catch(() => {});
      throw error;
    }
    if (tty && cli.out.isTerminal) followTerminalSize(cli, `/containers/${segment(id)}`);
    return (await streams.done) === 'detached' ? 0 : await exit.status;
  } finally {
    stopProxy();
  }
}
