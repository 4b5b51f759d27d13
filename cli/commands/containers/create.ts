import { stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { proxyEnvironment } from '../../config-file.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf } from '../../errors.ts';
import { containerFlags } from '../../options/container-flags.ts';
import { type ContainerFlagValues, containerRequest } from '../../options/container-request.ts';
import { refuseContentTrust } from '../../options/content-trust.ts';
import { checkPullPolicy, createContainer } from '../../options/create-container.ts';

const flags = {
  ...containerFlags,
  pull: stringFlag('pull', 'Pull image before creating ("always", "|missing", "never")', { initial: 'missing' }),
};

export const create = defineCommand({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  short: 'Create a new container',
  aliases: ['container create', 'create'],
  flags,
  arguments: atLeast(1),
  interspersed: false,
  async run({ cli, flags: values, args, changed }) {
    const request = describeErrors(cli, 'create', () => {
      checkPullPolicy(values.pull);
      return requestFromFlags(cli, values, args, changed);
    });
    cli.out.line(await createContainer(cli, request, values));
    return 0;
  },
});

const windowsFlags = ['cpu-count', 'cpu-percent', 'io-maxbandwidth', 'io-maxiops'];

/** The body of the request from flags and operands. */
export function requestFromFlags(
  cli: Cli,
  flags: ContainerFlagValues,
  [image = '', ...command]: readonly string[],
  changed: ReadonlySet<string>,
) {
  refuseContentTrust(flags.disableContentTrust);
  const foreign = windowsFlags.filter((name) => changed.has(name));
  if (foreign.length > 0) {
    const lines = foreign.map((name) => `"--${name}" is only supported on a Docker daemon running on windows`);
    throw new CliError(lines.map((line) => `${line}, but the Docker daemon is running on linux`).join('\n'));
  }
  const extraEnvironment = proxyEnvironment(cli.config(), cli.options.host, flags.env);
  return containerRequest({ flags, changed, image, command, extraEnvironment });
}

/** Docker's exit status for a command line that makes no container. */
const badOptionsStatus = 125;

export function describeErrors<T>(cli: Cli, command: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw explainedError(cli, command, error, badOptionsStatus);
  }
}

/** `tsdocker: WHAT` with a hint at the help. */
export function explainedError(cli: Cli, command: string, error: unknown, status: number): CliError {
  const hint = `Run '${cli.program} ${command} --help' for more information`;
  return new CliError(`${cli.program}: ${messageOf(error)}\n\n${hint}`, status);
}
