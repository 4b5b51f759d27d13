import { between, defineCommand } from '../../command.ts';
import { hostOfServer, hubServer } from '../../credentials/credentials.ts';
import { openStore } from '../../credentials/open-store.ts';
import { CliError, messageOf } from '../../errors.ts';

export const logout = defineCommand({
  usage: '[SERVER]',
  short: 'Log out from a registry',
  long: 'Log out from a registry.\nIf no server is specified, the default is defined by the daemon.',
  flags: {},
  arguments: between(0, 1),
  async run({ cli, args: [given = ''] }) {
    const isHub = given === '' || given === 'docker.io' || given === hubServer;
    const server = isHub ? hubServer : hostOfServer(given);
    cli.out.line(`Removing login credentials for ${server}`);
    // Clients of other times kept them under URLs.
    const names = isHub ? [server] : [server, `https://${server}`, `http://${server}`];
    for (const name of new Set([...names, ...(isHub || given === server ? [] : [given])])) {
      await openStore(cli, name)
        .erase(name)
        .catch((error: unknown) => {
          throw new CliError(`WARNING: could not erase credentials:\n${name}: ${messageOf(error)}`);
        });
    }
    return 0;
  },
});
