import { listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { openInput } from '../../options/input-file.ts';
import { platformFlag } from '../../options/platform.ts';
import { parseReference } from '../../options/reference.ts';
import { showProgress } from '../../views/progress.ts';

export const importImage = defineCommand({
  usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  short: 'Import the contents from a tarball to create a filesystem image',
  aliases: ['image import', 'import'],
  flags: {
    change: listFlag('change,c', 'Apply Dockerfile instruction to the created image'),
    message: stringFlag('message,m', 'Set commit message for imported image'),
    platform: platformFlag(),
  },
  arguments: atLeast(1),
  async run({ cli, flags, args: [source = '', reference] }) {
    const isUrl = /^https?:\/\//.test(source);
    const body = isUrl ? undefined : source === '-' ? process.stdin : await openInput(source);
    if (reference !== undefined && reference !== '') parseReference(reference);
    const response = await cli.client.request('POST', '/images/create', {
      query: {
        changes: flags.change,
        fromSrc: isUrl ? source : '-',
        message: flags.message || undefined,
        platform: flags.platform || undefined,
        repo: reference || undefined,
      },
      headers: { 'Content-Type': 'text/plain' },
      ...(body ? { body: body as AsyncIterable<Uint8Array> } : {}),
    });
    await showProgress(cli, response.body, { quiet: false, to: cli.out });
    return 0;
  },
});
