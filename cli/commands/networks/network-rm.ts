import { boolFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { ApiError } from '../../errors.ts';
import { forEachName } from '../containers/for-each.ts';

export const networkRm = defineCommand({
  usage: 'NETWORK [NETWORK...]',
  short: 'Remove one or more networks',
  aliases: ['network rm', 'network remove'],
  flags: { force: boolFlag('force,f', 'Do not error if the network does not exist') },
  arguments: atLeast(1),
  async run({ cli, flags, args }) {
    await forEachName(cli, args, async (name) => {
      try {
        await cli.client.delete(`/networks/${segment(name)}`);
      } catch (error) {
        if (!flags.force || !(error instanceof ApiError) || error.httpStatus !== 404) throw error;
        return false;
      }
      return true;
    });
    return 0;
  },
});
