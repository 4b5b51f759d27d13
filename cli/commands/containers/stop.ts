// `stop` and `restart`.

import { integerFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { forEachName } from './for-each.ts';

const flags = {
  signal: stringFlag('signal,s', 'Signal to send to the container'),
  timeout: integerFlag('timeout,t', 'Seconds to wait before killing the container'),
  time: { ...integerFlag('time', 'Seconds to wait before killing the container'), hidden: true },
};

function stopCommand(verb: 'stop' | 'restart', short: string) {
  return defineCommand({
    usage: '[OPTIONS] CONTAINER [CONTAINER...]',
    short,
    aliases: [`container ${verb}`, verb],
    flags,
    arguments: atLeast(1),
    async run({ cli, flags: { signal, timeout, time }, args, changed }) {
      const seconds = changed.has('timeout') ? timeout : changed.has('time') ? time : undefined;
      const query = { t: seconds, signal: signal || undefined };
      await forEachName(cli, args, (name) => cli.client.post(`/containers/${segment(name)}/${verb}`, { query }));
      return 0;
    },
  });
}

export const stop = stopCommand('stop', 'Stop one or more running containers');
export const restart = stopCommand('restart', 'Restart one or more containers');
