// `pause` and `unpause`.
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { forEachName } from './for-each.ts';

function pauseCommand(verb: 'pause' | 'unpause', short: string) {
  return defineCommand({
    usage: 'CONTAINER [CONTAINER...]',
    short,
    aliases: [`container ${verb}`, verb],
    flags: {},
    arguments: atLeast(1),
    async run({ cli, args }) {
      await forEachName(cli, args, (name) => cli.client.post(`/containers/${segment(name)}/${verb}`));
      return 0;
    },
  });
}

export const pause = pauseCommand('pause', 'Pause all processes within one or more containers');
export const unpause = pauseCommand('unpause', 'Unpause all processes within one or more containers');
