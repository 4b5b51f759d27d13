import type { ContainerSummary } from '../../../daemon/docker-types/container.ts';
import { boolFlag, integerFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { defineCommand, none } from '../../command.ts';
import { filtersQuery, validateFilter } from '../../options/filters.ts';
import { listFormatHelp } from '../../options/format-help.ts';
import { containerHeaders, containerTable, containerView, rawContainerFormat } from '../../views/container-view.ts';
import { parseListFormat, renderList } from '../../views/list.ts';

export const ps = defineCommand({
  usage: '[OPTIONS]',
  short: 'List containers',
  aliases: ['container ls', 'container list', 'container ps', 'ps'],
  flags: {
    all: boolFlag('all,a', 'Show all containers (default shows just running)'),
    filter: listFlag('filter,f', 'Filter output based on conditions provided', {
      typeName: 'filter',
      validate: validateFilter,
    }),
    format: stringFlag('format', listFormatHelp),
    last: integerFlag('last,n', 'Show n last created containers (includes all states)', { initial: -1 }),
    latest: boolFlag('latest,l', 'Show the latest created container (includes all states)'),
    noTrunc: boolFlag('no-trunc', "Don't truncate output"),
    quiet: boolFlag('quiet,q', 'Only display container IDs'),
    size: boolFlag('size,s', 'Display total file sizes'),
  },
  arguments: none,
  async run({ cli, flags, changed }) {
    if (flags.quiet && flags.format !== '') {
      cli.err.line('WARNING: Ignoring custom format, because both --format and --quiet are set.');
    }
    let source = flags.format || (flags.quiet ? 'table' : (cli.config().psFormat ?? 'table'));
    if (flags.quiet) source = flags.format === 'raw' ? 'raw' : '{{.ID}}';
    const format = parseListFormat(
      source,
      flags.size ? `${containerTable}\\t{{.Size}}` : containerTable,
      rawContainerFormat(flags.size, flags.quiet),
    );
    const limit = flags.latest && !changed.has('last') ? 1 : flags.last;
    const containers = await cli.client.get<ContainerSummary[]>('/containers/json', {
      all: flags.all ? '1' : undefined,
      filters: filtersQuery(flags.filter),
      limit: limit > 0 ? limit : undefined,
      // Sizes are costly: asked for when they are shown.
      size: flags.size || (!flags.quiet && /\.Size\b/.test(source)) ? '1' : undefined,
    });
    const rows = containers.map((container) => containerView(container, !flags.noTrunc));
    cli.out.print(renderList(format, containerHeaders, rows));
    return 0;
  },
});
