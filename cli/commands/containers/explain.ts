// `explain`: what a container is made of, as a dry run or for one that exists. The daemon writes the text.
import type { ExplainResponse } from '../../../daemon/docker-types/container-actions.ts';
import { FlagError, parseFlags } from '../../../daemon/protocols/flags/parse.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError } from '../../errors.ts';
import { requestFromFlags } from './create.ts';
import { run } from './run.ts';

export const explain = defineCommand({
  usage: 'CONTAINER',
  moreUsages: ['explain run [OPTIONS] IMAGE [COMMAND] [ARG...]'],
  short: 'Explain what a container is made of, down to the system calls',
  long: `Explain what a container is made of, down to the system calls

"explain run" takes the flags of "run" and shows what would be done, without doing it: the
OCI runtime spec, the control groups, the layers, and every system call in its order.
With the name of a container it shows the same for that container.`,
  flags: {},
  arguments: atLeast(1),
  interspersed: false,
  async run({ cli, args: [first = '', ...rest] }) {
    const answer =
      (first === 'run' || first === 'create') && rest.length > 0
        ? await explainRun(cli, rest)
        : await explainContainer(cli, first, rest);
    cli.out.print(answer.Text.endsWith('\n') ? answer.Text : `${answer.Text}\n`);
    return 0;
  },
});

async function explainContainer(cli: Cli, name: string, rest: readonly string[]): Promise<ExplainResponse> {
  if (rest.length > 0) throw new CliError(`${cli.program}: explain takes one container, or "run" and the flags of run`);
  return cli.client.get<ExplainResponse>(`/containers/${segment(name)}/explain`);
}

async function explainRun(cli: Cli, argv: readonly string[]): Promise<ExplainResponse> {
  const hint = `Run '${cli.program} explain --help' for more information`;
  const parsed = (() => {
    try {
      return parseFlags(run.flags, argv, { interspersed: false });
    } catch (error) {
      if (error instanceof FlagError) throw new CliError(`${error.message}\n\n${hint}`, 125);
      throw error;
    }
  })();
  if (parsed.args.length === 0) throw new CliError(`${cli.program}: explain run: no image given\n\n${hint}`);
  // These are run's own flags, parsed by run's own specs.
  const flags = parsed.values as Parameters<typeof requestFromFlags>[1];
  const json = requestFromFlags(cli, flags, parsed.args, parsed.changed);
  return cli.client.post<ExplainResponse>('/explain', { json, query: { name: flags.name || undefined } });
}
