import type { NetworkCreateResponse } from '../../../daemon/docker-types/network.ts';
import { boolFlag, listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { defineCommand, exactly } from '../../command.ts';
import { ipamConfig, keyValueMap, validateKeyValue } from '../../options/ipam.ts';
import { collectLabels, validateLabel } from '../../options/variables.ts';

const map = { typeName: 'map', defaultText: 'map[]', validate: validateKeyValue };
const strings = { typeName: 'strings', commaSeparated: true };

export const networkCreate = defineCommand({
  usage: '[OPTIONS] NETWORK',
  short: 'Create a network',
  flags: {
    attachable: boolFlag('attachable', 'Enable manual container attachment'),
    auxAddress: listFlag('aux-address', 'Auxiliary IPv4 or IPv6 addresses used by Network driver', map),
    configFrom: stringFlag('config-from', 'The network from which to copy the configuration'),
    configOnly: boolFlag('config-only', 'Create a configuration only network'),
    driver: stringFlag('driver,d', 'Driver to manage the Network', { initial: 'bridge' }),
    gateway: listFlag('gateway', 'IPv4 or IPv6 Gateway for the master subnet', strings),
    ingress: boolFlag('ingress', 'Create swarm routing-mesh network'),
    internal: boolFlag('internal', 'Restrict external access to the network'),
    ipRange: listFlag('ip-range', 'Allocate container ip from a sub-range', strings),
    ipamDriver: stringFlag('ipam-driver', 'IP Address Management Driver', { initial: 'default' }),
    ipamOpt: listFlag('ipam-opt', 'Set IPAM driver specific options', map),
    ipv4: boolFlag('ipv4', 'Enable or disable IPv4 address assignment', { initial: true }),
    ipv6: boolFlag('ipv6', 'Enable or disable IPv6 address assignment'),
    label: listFlag('label', 'Set metadata on a network', { validate: validateLabel }),
    opt: listFlag('opt,o', 'Set driver specific options', map),
    scope: stringFlag('scope', "Control the network's scope"),
    subnet: listFlag('subnet', 'Subnet in CIDR format that represents a network segment', strings),
  },
  arguments: exactly(1),
  async run({ cli, flags, args: [name = ''], changed }) {
    const { Id, Warning } = await cli.client.post<NetworkCreateResponse>('/networks/create', {
      json: {
        Driver: flags.driver,
        Scope: flags.scope,
        ...(changed.has('ipv4') ? { EnableIPv4: flags.ipv4 } : {}),
        ...(changed.has('ipv6') ? { EnableIPv6: flags.ipv6 } : {}),
        IPAM: { Driver: flags.ipamDriver, Options: keyValueMap(flags.ipamOpt), Config: ipamConfig(flags) },
        Internal: flags.internal,
        Attachable: flags.attachable,
        Ingress: flags.ingress,
        ConfigOnly: flags.configOnly,
        ConfigFrom: flags.configFrom === '' ? null : { Network: flags.configFrom },
        Options: keyValueMap(flags.opt),
        Labels: collectLabels([], flags.label),
        Name: name,
        CheckDuplicate: true,
      },
    });
    if (Warning) cli.err.line(`WARNING: ${Warning}`);
    cli.out.line(Id);
    return 0;
  },
});
