import type { ContainerInspectResponse } from '../../../daemon/docker-types/container.ts';
import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { Demultiplexer } from '../../../daemon/protocols/streams/demultiplexer.ts';
import { segment } from '../../client/api-client.ts';
import type { WireResponse } from '../../client/exchange.ts';
import { defineCommand, exactly } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf } from '../../errors.ts';
import { parseTimestamp } from '../../formats/timestamp.ts';

export const logs = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  short: 'Fetch the logs of a container',
  aliases: ['container logs', 'logs'],
  flags: {
    details: boolFlag('details', 'Show extra details provided to logs'),
    follow: boolFlag('follow,f', 'Follow log output'),
    since: stringFlag(
      'since',
      'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    ),
    tail: stringFlag('tail,n', 'Number of lines to show from the end of the logs', { initial: 'all' }),
    timestamps: boolFlag('timestamps,t', 'Show timestamps'),
    until: stringFlag(
      'until',
      'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    ),
  },
  arguments: exactly(1),
  async run({ cli, flags, args: [name = ''] }) {
    const path = `/containers/${segment(name)}`;
    const response = await cli.client.request('GET', `${path}/logs`, {
      query: {
        details: flags.details ? '1' : undefined,
        follow: flags.follow ? '1' : undefined,
        since: moment('since', flags.since),
        stderr: '1',
        stdout: '1',
        tail: flags.tail,
        timestamps: flags.timestamps ? '1' : undefined,
        until: moment('until', flags.until),
      },
    });
    if (await isMultiplexed(cli, response, path)) {
      const sink = { stdout: (bytes: Buffer) => cli.out.write(bytes), stderr: (bytes: Buffer) => cli.err.write(bytes) };
      const demultiplexer = new Demultiplexer(sink);
      for await (const chunk of response.body) await demultiplexer.push(chunk);
    } else {
      for await (const chunk of response.body) await cli.out.write(chunk);
    }
    return 0;
  },
});

function moment(name: string, text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return parseTimestamp(text);
  } catch (error) {
    throw new CliError(`invalid value for ${JSON.stringify(name)}: ${messageOf(error)}`);
  }
}

/** The API before 1.42 names both kinds of stream the same. */
async function isMultiplexed(cli: Cli, response: WireResponse, path: string): Promise<boolean> {
  const mediaType = response.headers.get('content-type') ?? '';
  if (mediaType.includes('multiplexed')) return true;
  if (Number(cli.client.version.slice(2)) >= 42) return false;
  return !(await cli.client.get<ContainerInspectResponse>(`${path}/json`)).Config.Tty;
}
