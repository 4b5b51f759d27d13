import { stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { forEachName } from './for-each.ts';

export const kill = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Kill one or more running containers',
  aliases: ['container kill', 'kill'],
  flags: { signal: stringFlag('signal,s', 'Signal to send to the container') },
  arguments: atLeast(1),
  async run({ cli, flags, args }) {
    const query = { signal: flags.signal || undefined };
    await forEachName(cli, args, (name) => cli.client.post(`/containers/${segment(name)}/kill`, { query }));
    return 0;
  },
});
