// `manifest inspect`: what a name stands for at its registry. Docker's client asks the registry itself; this one asks the daemon, whose
// mirrors, certificates and insecure registries count here too. So it tells the descriptor and the platforms, not the manifest's text.
import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import { registryHeaders } from '../../credentials/open-store.ts';
import { indentJson } from '../../formats/go-text.ts';
import { familiarReference } from '../../options/reference.ts';

export const manifestInspect = defineCommand({
  usage: 'MANIFEST',
  short: 'Display the digest, type, size and platforms of an image at its registry',
  flags: {},
  arguments: exactly(1),
  async run({ cli, args: [name = ''] }) {
    const path = `/distribution/${segment(familiarReference(name))}/json`;
    const response = await cli.client.request('GET', path, { headers: await registryHeaders(cli, name) });
    cli.out.line(indentJson((await response.body.bytes()).toString(), '   '));
    return 0;
  },
});
