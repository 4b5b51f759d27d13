// `network connect` and `network disconnect`.

import { boolFlag, integerFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { defineCommand, exactly } from '../../command.ts';
import { keyValueMap, validateKeyValue } from '../../options/ipam.ts';

const strings = { typeName: 'strings', commaSeparated: true };

export const networkConnect = defineCommand({
  usage: '[OPTIONS] NETWORK CONTAINER',
  short: 'Connect a container to a network',
  flags: {
    alias: listFlag('alias', 'Add network-scoped alias for the container', strings),
    driverOpt: listFlag('driver-opt', 'driver options for the network', { ...strings, validate: validateKeyValue }),
    gwPriority: integerFlag(
      'gw-priority',
      'Highest gw-priority provides the default gateway. Accepts positive and negative values.',
    ),
    ip: stringFlag('ip', 'IPv4 address (e.g., "172.30.100.104")'),
    ip6: stringFlag('ip6', 'IPv6 address (e.g., "2001:db8::33")'),
    link: listFlag('link', 'Add link to another container'),
    linkLocalIp: listFlag('link-local-ip', 'Add a link-local address for the container', strings),
  },
  arguments: exactly(2),
  async run({ cli, flags, args: [network = '', container = ''] }) {
    const { ip, ip6, linkLocalIp } = flags;
    const hasAddress = ip !== '' || ip6 !== '' || linkLocalIp.length > 0;
    await cli.client.post(`/networks/${segment(network)}/connect`, {
      json: {
        Container: container,
        EndpointConfig: {
          IPAMConfig: hasAddress ? { IPv4Address: ip, IPv6Address: ip6, LinkLocalIPs: linkLocalIp } : null,
          Links: flags.link,
          Aliases: flags.alias,
          DriverOpts: keyValueMap(flags.driverOpt),
          GwPriority: flags.gwPriority,
        },
      },
    });
    return 0;
  },
});

export const networkDisconnect = defineCommand({
  usage: '[OPTIONS] NETWORK CONTAINER',
  short: 'Disconnect a container from a network',
  flags: { force: boolFlag('force,f', 'Force the container to disconnect from a network') },
  arguments: exactly(2),
  async run({ cli, flags, args: [network = '', container = ''] }) {
    await cli.client.post(`/networks/${segment(network)}/disconnect`, {
      json: { Container: container, Force: flags.force },
    });
    return 0;
  },
});
