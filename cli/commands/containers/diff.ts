import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import { CliError } from '../../errors.ts';

interface Change {
  Path: string;
  Kind: number;
}

const letters = ['C', 'A', 'D'];

export const diff = defineCommand({
  usage: 'CONTAINER',
  short: "Inspect changes to files or directories on a container's filesystem",
  aliases: ['container diff', 'diff'],
  flags: {},
  arguments: exactly(1),
  async run({ cli, args: [name = ''] }) {
    if (name === '') throw new CliError('Container name cannot be empty');
    const changes = await cli.client.get<Change[] | null>(`/containers/${segment(name)}/changes`);
    cli.out.print((changes ?? []).map(({ Path, Kind }) => `${letters[Kind] ?? '?'} ${Path}\n`).join(''));
    return 0;
  },
});
