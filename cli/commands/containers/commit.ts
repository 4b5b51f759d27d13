import type { IdResponse } from '../../../daemon/docker-types/container-actions.ts';
import { boolFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { between, defineCommand } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { parseReference } from '../../options/reference.ts';

export const commit = defineCommand({
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  short: "Create a new image from a container's changes",
  aliases: ['container commit', 'commit'],
  flags: {
    author: stringFlag('author,a', 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")'),
    change: listFlag('change,c', 'Apply Dockerfile instruction to the created image'),
    message: stringFlag('message,m', 'Commit message'),
    pause: boolFlag('pause,p', 'Pause container during commit', { initial: true }),
  },
  arguments: between(1, 2),
  async run({ cli, flags, args: [container = '', reference] }) {
    const { Id } = await cli.client.post<IdResponse>('/commit', {
      query: {
        author: flags.author || undefined,
        changes: flags.change,
        comment: flags.message || undefined,
        container,
        pause: flags.pause ? undefined : '0',
        ...repository(reference),
      },
    });
    cli.out.line(Id);
    return 0;
  },
});

function repository(text: string | undefined): { repo?: string; tag?: string } {
  if (text === undefined || text === '') return {};
  const { name, tag, digest } = parseReference(text);
  if (digest !== undefined) throw new CliError('refusing to create a tag with a digest reference');
  return { repo: name, ...(tag === undefined ? {} : { tag }) };
}
