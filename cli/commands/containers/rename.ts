import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import { CliError, messageOf } from '../../errors.ts';

export const rename = defineCommand({
  usage: 'CONTAINER NEW_NAME',
  short: 'Rename a container',
  aliases: ['container rename', 'rename'],
  flags: {},
  arguments: exactly(2),
  async run({ cli, args }) {
    const [oldName = '', newName = ''] = args.map((name) => name.trim());
    if (oldName === '' || newName === '') throw new CliError('Error: Neither old nor new names may be empty');
    try {
      await cli.client.post(`/containers/${segment(oldName)}/rename`, { query: { name: newName } });
    } catch (error) {
      cli.err.line(messageOf(error));
      throw new CliError(`Error: failed to rename container named ${oldName}`);
    }
    return 0;
  },
});
