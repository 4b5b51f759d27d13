import { boolFlag } from '../../../daemon/protocols/flags/flag.ts';
import { defineCommand, exactly } from '../../command.ts';
import { registryHeaders } from '../../credentials/open-store.ts';
import { CliError } from '../../errors.ts';
import { contentTrustFlag, refuseContentTrust } from '../../options/content-trust.ts';
import { platformFlag } from '../../options/platform.ts';
import { parseReference } from '../../options/reference.ts';
import { showProgress } from '../../views/progress.ts';

export const pull = defineCommand({
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  short: 'Download an image from a registry',
  aliases: ['image pull', 'pull'],
  flags: {
    allTags: boolFlag('all-tags,a', 'Download all tagged images in the repository'),
    disableContentTrust: contentTrustFlag('verification'),
    platform: platformFlag(),
    quiet: boolFlag('quiet,q', 'Suppress verbose output'),
  },
  arguments: exactly(1),
  async run({ cli, flags, args: [name = ''] }) {
    refuseContentTrust(flags.disableContentTrust);
    const reference = parseReference(name);
    const isNamed = reference.digest !== undefined || reference.isTagged;
    if (flags.allTags && isNamed) throw new CliError("tag can't be used with --all-tags/-a");
    if (!isNamed && !flags.allTags && !flags.quiet) cli.out.line(`Using default tag: ${reference.tag}`);
    const tag = flags.allTags ? undefined : (reference.digest ?? reference.tag);
    const response = await cli.client.request('POST', '/images/create', {
      query: { fromImage: reference.name, tag, platform: flags.platform || undefined },
      headers: await registryHeaders(cli, name),
    });
    await showProgress(cli, response.body, { quiet: flags.quiet, to: cli.out });
    const suffix = reference.digest === undefined ? `:${reference.tag}` : `@${reference.digest}`;
    cli.out.line(`${reference.name}${flags.allTags ? '' : suffix}`);
    return 0;
  },
});
