import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import { registryHeaders } from '../../credentials/open-store.ts';
import { CliError } from '../../errors.ts';
import { contentTrustFlag, refuseContentTrust } from '../../options/content-trust.ts';
import { platformJson } from '../../options/platform.ts';
import { parseReference } from '../../options/reference.ts';
import { showProgress } from '../../views/progress.ts';

export const push = defineCommand({
  usage: '[OPTIONS] NAME[:TAG]',
  short: 'Upload an image to a registry',
  aliases: ['image push', 'push'],
  flags: {
    allTags: boolFlag('all-tags,a', 'Push all tags of an image to the repository'),
    disableContentTrust: contentTrustFlag('signing'),
    platform: stringFlag(
      'platform',
      `Push a platform-specific manifest as a single-platform image to the registry.
Image index won't be pushed, meaning that other manifests, including attestations won't be preserved.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
    ),
    quiet: boolFlag('quiet,q', 'Suppress verbose output'),
  },
  arguments: exactly(1),
  async run({ cli, flags, args: [name = ''] }) {
    refuseContentTrust(flags.disableContentTrust);
    const reference = parseReference(name);
    if (reference.digest !== undefined) throw new CliError('cannot push a digest reference');
    if (flags.allTags && reference.isTagged) throw new CliError("tag can't be used with --all-tags/-a");
    if (!reference.isTagged && !flags.allTags && !flags.quiet) cli.out.line(`Using default tag: ${reference.tag}`);
    const response = await cli.client.request('POST', `/images/${segment(reference.familiarName)}/push`, {
      query: { tag: flags.allTags ? undefined : reference.tag, platform: platformJson(flags.platform) },
      headers: await registryHeaders(cli, name),
    });
    await showProgress(cli, response.body, { quiet: flags.quiet, to: cli.out });
    if (flags.quiet) cli.out.line(flags.allTags ? reference.name : `${reference.name}:${reference.tag}`);
    return 0;
  },
});
