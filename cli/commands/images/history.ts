import type { HistoryResponseItem } from '../../../daemon/docker-types/image.ts';
import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { humanSize, timeAgo } from '../../../daemon/protocols/units/human-units.ts';
import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import { ellipsis } from '../../formats/display-width.ts';
import { localRfc3339 } from '../../formats/go-text.ts';
import { listFormatHelp } from '../../options/format-help.ts';
import { platformJson } from '../../options/platform.ts';
import { Struct } from '../../template/values.ts';
import { shortId } from '../../views/container-view.ts';
import { parseListFormat, renderList } from '../../views/list.ts';

const headers: Record<string, string> = {
  ID: 'IMAGE',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
};
const columns = (created: string) => `table {{.ID}}\\t{{.${created}}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}`;
const createdByWidth = 45;

export const history = defineCommand({
  usage: '[OPTIONS] IMAGE',
  short: 'Show the history of an image',
  aliases: ['image history', 'history'],
  flags: {
    format: stringFlag('format', listFormatHelp),
    human: boolFlag('human,H', 'Print sizes and dates in human readable format', { initial: true }),
    noTrunc: boolFlag('no-trunc', "Don't truncate output"),
    platform: stringFlag(
      'platform',
      'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
    quiet: boolFlag('quiet,q', 'Only show image IDs'),
  },
  arguments: exactly(1),
  async run({ cli, flags, args: [name = ''] }) {
    const query = { platform: platformJson(flags.platform) };
    const items = await cli.client.get<HistoryResponseItem[]>(`/images/${segment(name)}/history`, query);
    const source = flags.format || 'table';
    const isPlain = source === 'table';
    const table = columns(flags.human ? 'CreatedSince' : 'CreatedAt');
    const format = parseListFormat(flags.quiet && isPlain ? '{{.ID}}' : source, table);
    const rows = items.map((item) => view(item, { truncate: !flags.noTrunc, human: flags.human }));
    cli.out.print(renderList(format, headers, rows));
    return 0;
  },
});

function view(item: HistoryResponseItem, options: { truncate: boolean; human: boolean }): Struct {
  const command = item.CreatedBy.replaceAll('\t', ' ');
  return new Struct('*image.historyContext', {
    ID: () => (options.truncate ? shortId(item.Id) : item.Id),
    CreatedAt: () => localRfc3339(item.Created),
    CreatedSince: () => (options.human ? timeAgo(item.Created) : localRfc3339(item.Created)),
    CreatedBy: () => (options.truncate ? ellipsis(command, createdByWidth) : command),
    Size: () => (options.human ? humanSize(item.Size, 3) : String(item.Size)),
    Comment: () => item.Comment,
  });
}
