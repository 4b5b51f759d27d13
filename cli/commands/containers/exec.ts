import type { IdResponse } from '../../../daemon/docker-types/container-actions.ts';
import type { ExecConfig, ExecInspectResponse } from '../../../daemon/docker-types/exec.ts';
import { boolFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { connectStreams } from '../../attach/streams.ts';
import { followTerminalSize } from '../../attach/terminal-size.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError } from '../../errors.ts';
import { collectVariables, validateVariable } from '../../options/variables.ts';
import { isTerminal } from '../../terminal/output.ts';
import { checkTerminal } from '../../terminal/raw-mode.ts';
import { windowSize } from '../../terminal/window-size.ts';

export const exec = defineCommand({
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  short: 'Execute a command in a running container',
  aliases: ['container exec', 'exec'],
  flags: {
    detach: boolFlag('detach,d', 'Detached mode: run command in the background'),
    detachKeys: stringFlag('detach-keys', 'Override the key sequence for detaching a container'),
    env: listFlag('env,e', 'Set environment variables', { validate: validateVariable }),
    envFile: listFlag('env-file', 'Read in a file of environment variables'),
    interactive: boolFlag('interactive,i', 'Keep STDIN open even if not attached'),
    privileged: boolFlag('privileged', 'Give extended privileges to the command'),
    tty: boolFlag('tty,t', 'Allocate a pseudo-TTY'),
    user: stringFlag('user,u', 'Username or UID (format: "<name|uid>[:<group|gid>]")'),
    workdir: stringFlag('workdir,w', 'Working directory inside the container'),
  },
  arguments: atLeast(2),
  interspersed: false,
  async run({ cli, flags, args: [name = '', ...command] }) {
    const attached = !flags.detach;
    const env = collectVariables(flags.envFile, flags.env);
    const size = flags.tty ? windowSize(1) : undefined;
    const config: ExecConfig = {
      User: flags.user,
      Privileged: flags.privileged,
      Tty: flags.tty,
      ...(size ? { ConsoleSize: [size.rows, size.columns] } : {}),
      AttachStdin: attached && flags.interactive,
      AttachStderr: attached,
      AttachStdout: attached,
      DetachKeys: flags.detachKeys || cli.config().detachKeys || '',
      Env: env.length > 0 ? env : null,
      WorkingDir: flags.workdir,
      Cmd: command,
    };
    const container = `/containers/${segment(name)}`;
    // An exec that is made and never started would stay: what can be refused is refused before, a missing container first.
    if (config.AttachStdin && flags.tty && !isTerminal(0)) {
      await cli.client.get(`${container}/json`);
      checkTerminal(true, true);
    }
    const { Id: id } = await cli.client.post<IdResponse>(`${container}/exec`, { json: config });
    if (!id) throw new CliError('exec ID empty');
    const start = { Detach: flags.detach, Tty: flags.tty, ...(size ? { ConsoleSize: config.ConsoleSize } : {}) };
    if (!attached) {
      await cli.client.post(`/exec/${segment(id)}/start`, { json: start });
      return 0;
    }
    return runAttached(cli, id, config, start);
  },
});

async function runAttached(cli: Cli, id: string, config: ExecConfig, start: object): Promise<number> {
  const tty = config.Tty ?? false;
  const target = `/exec/${segment(id)}`;
  const hijacked = await cli.client.hijack(`${target}/start`, { json: start });
  const streams = connectStreams(cli, hijacked, {
    tty,
    stdin: config.AttachStdin ?? false,
    stdout: true,
    stderr: true,
    detachKeys: config.DetachKeys ?? '',
  });
  if (tty && isTerminal(0)) followTerminalSize(cli, target);
  if ((await streams.done) === 'detached') throw new CliError('read escape sequence');
  const result = await cli.client.get<ExecInspectResponse>(`${target}/json`);
  return result.ExitCode ?? 0;
}
