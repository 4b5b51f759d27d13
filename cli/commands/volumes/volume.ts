// `volume create`, `volume ls`, `volume rm`, `volume prune`. `volume inspect` is with the other inspects.
import type { Volume, VolumeListResponse, VolumePruneResponse } from '../../../daemon/docker-types/volume.ts';
import { boolFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, between, defineCommand, none } from '../../command.ts';
import { ApiError, CliError } from '../../errors.ts';
import { filtersQuery, validateFilter } from '../../options/filters.ts';
import { listFormatHelp } from '../../options/format-help.ts';
import { toMap } from '../../options/validators.ts';
import { collectLabels } from '../../options/variables.ts';
import { parseListFormat, renderList } from '../../views/list.ts';
import { volumeHeaders, volumeTable, volumeView } from '../../views/volume-view.ts';
import { forEachName } from '../containers/for-each.ts';
import { isConfirmed, reportList, reportSpace } from '../system/prune.ts';

export const createVolume = defineCommand({
  usage: '[OPTIONS] [VOLUME]',
  short: 'Create a volume',
  flags: {
    driver: stringFlag('driver,d', 'Specify volume driver name', { initial: 'local' }),
    label: listFlag('label', 'Set metadata for a volume', { typeName: 'list' }),
    opt: listFlag('opt,o', 'Set driver specific options', { typeName: 'map' }),
  },
  arguments: between(0, 1),
  async run({ cli, flags, args: [name = ''] }) {
    const json = {
      Driver: flags.driver,
      DriverOpts: toMap(flags.opt),
      Labels: collectLabels([], flags.label),
      ...(name === '' ? {} : { Name: name }),
    };
    const made = await cli.client.post<Volume>('/volumes/create', { json });
    cli.out.line(made.Name);
    return 0;
  },
});

export const listVolumes = defineCommand({
  usage: '[OPTIONS]',
  short: 'List volumes',
  aliases: ['volume ls', 'volume list'],
  flags: {
    filter: listFlag('filter,f', 'Provide filter values (e.g. "dangling=true")', {
      typeName: 'filter',
      validate: validateFilter,
    }),
    format: stringFlag('format', listFormatHelp),
    quiet: boolFlag('quiet,q', 'Only display volume names'),
  },
  arguments: none,
  async run({ cli, flags }) {
    const { Volumes } = await cli.client.get<VolumeListResponse>('/volumes', { filters: filtersQuery(flags.filter) });
    const source = flags.format || (flags.quiet ? '{{.Name}}' : cli.config().volumesFormat || 'table');
    const format = parseListFormat(flags.quiet && source === 'table' ? '{{.Name}}' : source, volumeTable);
    const sorted = [...(Volumes ?? [])].sort((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true }));
    cli.out.print(renderList(format, volumeHeaders, sorted.map(volumeView)));
    return 0;
  },
});

export const removeVolumes = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  short: 'Remove one or more volumes',
  aliases: ['volume rm', 'volume remove'],
  flags: { force: boolFlag('force,f', 'Force the removal of one or more volumes') },
  arguments: atLeast(1),
  async run({ cli, flags, args }) {
    const query = { force: flags.force ? '1' : undefined };
    await forEachName(cli, args, async (name) => {
      try {
        await cli.client.delete(`/volumes/${segment(name)}`, query);
      } catch (error) {
        if (!flags.force || !(error instanceof ApiError) || error.httpStatus !== 404) throw error;
      }
    });
    return 0;
  },
});

export const pruneVolumes = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove unused local volumes',
  flags: {
    all: boolFlag('all,a', 'Remove all unused volumes, not just anonymous ones'),
    filter: listFlag('filter', 'Provide filter values (e.g. "label=<label>")', {
      typeName: 'filter',
      validate: validateFilter,
    }),
    force: boolFlag('force,f', 'Do not prompt for confirmation'),
  },
  arguments: none,
  async run({ cli, flags }) {
    if (flags.all && flags.filter.some((filter) => filter.startsWith('all='))) {
      throw new CliError('conflicting options: cannot specify both --all and --filter all=1');
    }
    const what = flags.all
      ? 'all local volumes not used by at least one container'
      : 'anonymous local volumes not used by at least one container';
    const warning = `WARNING! This will remove ${what}.`;
    if (!flags.force && !(await isConfirmed(cli, `${warning}\nAre you sure you want to continue?`))) return 0;
    const filters = filtersQuery([...flags.filter, ...(flags.all ? ['all=true'] : [])]);
    const answer = await cli.client.post<VolumePruneResponse>('/volumes/prune', { query: { filters } });
    reportList(cli, 'Deleted Volumes:', answer.VolumesDeleted ?? []);
    reportSpace(cli, answer.SpaceReclaimed);
    return 0;
  },
});
