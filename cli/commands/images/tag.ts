import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import { CliError, messageOf } from '../../errors.ts';
import { parseReference } from '../../options/reference.ts';

export const tag = defineCommand({
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  short: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  aliases: ['image tag', 'tag'],
  flags: {},
  arguments: exactly(2),
  async run({ cli, args: [source = '', target = ''] }) {
    let query: { repo: string; tag: string | undefined };
    try {
      const { name, tag: given, digest } = parseReference(target);
      if (digest !== undefined) throw new Error('refusing to create a tag with a digest reference');
      query = { repo: name, tag: given };
    } catch (error) {
      const invalid = messageOf(error).startsWith('refusing');
      throw new CliError(
        invalid
          ? messageOf(error)
          : `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${messageOf(error)}`,
      );
    }
    await cli.client.post(`/images/${segment(source)}/tag`, { query });
    return 0;
  },
});
