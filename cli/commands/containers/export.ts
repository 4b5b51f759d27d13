import { stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import { CliError, messageOf } from '../../errors.ts';
import { checkOutputPath, writeNewFile } from '../../terminal/file-output.ts';

export const exportContainer = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  short: "Export a container's filesystem as a tar archive",
  aliases: ['container export', 'export'],
  flags: { output: stringFlag('output,o', 'Write to a file, instead of STDOUT') },
  arguments: exactly(1),
  async run({ cli, flags, args: [name = ''] }) {
    if (flags.output === '' && cli.out.isTerminal) {
      throw new CliError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    await checkOutputPath(flags.output).catch((error: unknown) => {
      throw new CliError(`failed to export container: ${messageOf(error)}`);
    });
    const response = await cli.client.request('GET', `/containers/${segment(name)}/export`);
    if (flags.output === '') for await (const chunk of response.body) await cli.out.write(chunk);
    else await writeNewFile(flags.output, response.body);
    return 0;
  },
});
