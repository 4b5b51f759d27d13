import { boolFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { ApiError } from '../../errors.ts';
import { forEachName } from './for-each.ts';

export const rm = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Remove one or more containers',
  aliases: ['container rm', 'container remove', 'rm'],
  flags: {
    force: boolFlag('force,f', 'Force the removal of a running container (uses SIGKILL)'),
    link: boolFlag('link,l', 'Remove the specified link'),
    volumes: boolFlag('volumes,v', 'Remove anonymous volumes associated with the container'),
  },
  arguments: atLeast(1),
  async run({ cli, flags, args }) {
    const query = {
      force: flags.force ? '1' : undefined,
      link: flags.link ? '1' : undefined,
      v: flags.volumes ? '1' : undefined,
    };
    await forEachName(cli, args, async (given) => {
      const name = given.replace(/^\/+|\/+$/g, '');
      try {
        await cli.client.delete(`/containers/${segment(name)}`, query);
      } catch (error) {
        // With -f it only has to be gone.
        if (!flags.force || !(error instanceof ApiError) || error.httpStatus !== 404) throw error;
        cli.err.line(error.message);
        return false;
      }
      return true;
    });
    return 0;
  },
});
