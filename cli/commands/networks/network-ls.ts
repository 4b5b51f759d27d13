import type { Network } from '../../../daemon/docker-types/network.ts';
import { boolFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { defineCommand, none } from '../../command.ts';
import { filtersQuery, validateFilter } from '../../options/filters.ts';
import { listFormatHelp } from '../../options/format-help.ts';
import { parseListFormat, renderList } from '../../views/list.ts';
import { networkHeaders, networkTable, networkView } from '../../views/network-view.ts';

export const networkLs = defineCommand({
  usage: '[OPTIONS]',
  short: 'List networks',
  aliases: ['network ls', 'network list'],
  flags: {
    filter: listFlag('filter,f', 'Provide filter values (e.g. "driver=bridge")', {
      typeName: 'filter',
      validate: validateFilter,
    }),
    format: stringFlag('format', listFormatHelp),
    noTrunc: boolFlag('no-trunc', 'Do not truncate the output'),
    quiet: boolFlag('quiet,q', 'Only display network IDs'),
  },
  arguments: none,
  async run({ cli, flags }) {
    const list = await cli.client.get<Network[]>('/networks', { filters: filtersQuery(flags.filter) });
    const source = flags.format || (flags.quiet ? 'table' : cli.config().networksFormat || 'table');
    const format = parseListFormat(flags.quiet && source === 'table' ? '{{.ID}}' : source, networkTable);
    const inOrder = new Intl.Collator('en', { numeric: true });
    list.sort((a, b) => inOrder.compare(a.Name, b.Name));
    cli.out.print(
      renderList(
        format,
        networkHeaders,
        list.map((network) => networkView(network, !flags.noTrunc)),
      ),
    );
    return 0;
  },
});
