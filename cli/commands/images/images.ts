import type { ImageSummary } from '../../../daemon/docker-types/image.ts';
import { boolFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { between, defineCommand } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { filtersQuery, validateFilter } from '../../options/filters.ts';
import { listFormatHelp } from '../../options/format-help.ts';
import {
  imageHeaders,
  imageRows,
  imageTable,
  imageTableWithDigest,
  imageView,
  rawImageFormat,
} from '../../views/image-view.ts';
import { parseListFormat, renderList } from '../../views/list.ts';

export const images = defineCommand({
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  short: 'List images',
  aliases: ['image ls', 'image list', 'images'],
  flags: {
    all: boolFlag('all,a', 'Show all images (default hides intermediate images)'),
    digests: boolFlag('digests', 'Show digests'),
    filter: listFlag('filter,f', 'Filter output based on conditions provided', {
      typeName: 'filter',
      validate: validateFilter,
    }),
    format: stringFlag('format', listFormatHelp),
    noTrunc: boolFlag('no-trunc', "Don't truncate output"),
    quiet: boolFlag('quiet,q', 'Only show image IDs'),
    tree: boolFlag('tree', 'List multi-platform images as a tree (EXPERIMENTAL)'),
  },
  arguments: between(0, 1),
  async run({ cli, flags, args: [name] }) {
    if (flags.tree) throw new CliError('--tree is not there yet: images here have one platform each');
    const filters = name === undefined ? flags.filter : [...flags.filter, `reference=${name}`];
    const list = await cli.client.get<ImageSummary[]>('/images/json', {
      all: flags.all ? '1' : undefined,
      filters: filtersQuery(filters),
    });
    let source = flags.format || (flags.quiet ? 'table' : (cli.config().imagesFormat ?? 'table'));
    if (flags.quiet && source === 'table') source = '{{.ID}}';
    if (flags.digests && /^table ./.test(source) && !source.includes('{{.Digest}}')) source += '\t{{.Digest}}';
    const showDigests = flags.digests || source.includes('{{.Digest}}');
    const table = flags.digests ? imageTableWithDigest : imageTable;
    const format = parseListFormat(source, table, rawImageFormat(flags.digests, flags.quiet));
    const rows = list.flatMap((image) =>
      imageRows(image, showDigests).map((row) => imageView(image, row, !flags.noTrunc)),
    );
    cli.out.print(renderList(format, imageHeaders, rows));
    return 0;
  },
});
