import { stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { CliError, messageOf } from '../../errors.ts';
import { platformJson } from '../../options/platform.ts';
import { checkOutputPath, writeNewFile } from '../../terminal/file-output.ts';

export const save = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  short: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
  aliases: ['image save', 'save'],
  flags: {
    output: stringFlag('output,o', 'Write to a file, instead of STDOUT'),
    platform: stringFlag(
      'platform',
      'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
  },
  arguments: atLeast(1),
  async run({ cli, flags, args }) {
    if (flags.output === '' && cli.out.isTerminal) {
      throw new CliError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    await checkOutputPath(flags.output).catch((error: unknown) => {
      throw new CliError(`failed to save image: ${messageOf(error)}`);
    });
    const query = { names: args, platform: platformJson(flags.platform) };
    const response = await cli.client.request('GET', '/images/get', { query });
    if (flags.output === '') for await (const chunk of response.body) await cli.out.write(chunk);
    else await writeNewFile(flags.output, response.body);
    return 0;
  },
});
