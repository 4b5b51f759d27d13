import type { ContainerTopResponse } from '../../../daemon/docker-types/container-actions.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { alignTable } from '../../formats/table-writer.ts';

export const top = defineCommand({
  usage: 'CONTAINER [ps OPTIONS]',
  short: 'Display the running processes of a container',
  aliases: ['container top', 'top'],
  flags: {},
  arguments: atLeast(1),
  // What follows the container belongs to ps.
  interspersed: false,
  async run({ cli, args: [name = '', ...psArgs] }) {
    const query = { ps_args: psArgs.length > 0 ? psArgs.join(' ') : undefined };
    const answer = await cli.client.get<ContainerTopResponse>(`/containers/${segment(name)}/top`, query);
    const rows = [answer.Titles ?? [], ...(answer.Processes ?? [])];
    cli.out.print(alignTable(rows.map((row) => `${row.join('\t')}\n`).join(''), { minWidth: 20, padding: 3 }));
    return 0;
  },
});
