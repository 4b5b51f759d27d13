import type { ImageDeleteResponseItem } from '../../../daemon/docker-types/image.ts';
import { boolFlag, listFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { ApiError, CliError, messageOf } from '../../errors.ts';
import { platformJson } from '../../options/platform.ts';

export const rmi = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  short: 'Remove one or more images',
  aliases: ['image rm', 'image remove', 'rmi'],
  flags: {
    force: boolFlag('force,f', 'Force removal of the image'),
    noPrune: boolFlag('no-prune', 'Do not delete untagged parents'),
    platform: listFlag(
      'platform',
      'Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
      { typeName: 'strings', commaSeparated: true },
    ),
  },
  arguments: atLeast(1),
  async run({ cli, flags, args }) {
    const query = {
      force: flags.force ? '1' : undefined,
      noprune: flags.noPrune ? '1' : undefined,
      platforms: flags.platform.map((platform) => platformJson(platform) ?? ''),
    };
    const errors: string[] = [];
    let isFatal = false;
    for (const name of args) {
      try {
        const items = await cli.client.delete<ImageDeleteResponseItem[]>(`/images/${segment(name)}`, query);
        cli.out.print(items.map(describeDeletion).join(''));
      } catch (error) {
        isFatal ||= !(error instanceof ApiError && error.httpStatus === 404);
        errors.push(messageOf(error));
      }
    }
    if (errors.length === 0) return 0;
    // With -f an image only has to be gone.
    if (!flags.force || isFatal) throw new CliError(errors.join('\n'));
    cli.err.line(errors.join('\n'));
    return 0;
  },
});

export function describeDeletion(item: ImageDeleteResponseItem): string {
  return 'Deleted' in item ? `Deleted: ${item.Deleted}\n` : `Untagged: ${item.Untagged}\n`;
}
