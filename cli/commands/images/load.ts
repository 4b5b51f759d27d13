import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { defineCommand, none } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { openInput } from '../../options/input-file.ts';
import { platformJson } from '../../options/platform.ts';
import { isTerminal } from '../../terminal/output.ts';
import { showProgress } from '../../views/progress.ts';

export const load = defineCommand({
  usage: '[OPTIONS]',
  short: 'Load an image from a tar archive or STDIN',
  aliases: ['image load', 'load'],
  flags: {
    input: stringFlag('input,i', 'Read from tar archive file, instead of STDIN'),
    platform: stringFlag(
      'platform',
      'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
    quiet: boolFlag('quiet,q', 'Suppress the load output'),
  },
  arguments: none,
  async run({ cli, flags }) {
    if (flags.input === '' && isTerminal(0)) throw new CliError('requested load from stdin, but stdin is empty');
    const body = flags.input === '' ? (process.stdin as AsyncIterable<Uint8Array>) : await openInput(flags.input);
    const query = { quiet: flags.quiet || !cli.out.isTerminal, platform: platformJson(flags.platform) };
    const response = await cli.client.request('POST', '/images/load', { query, body });
    await showProgress(cli, response.body, { quiet: false, to: cli.out });
    return 0;
  },
});
