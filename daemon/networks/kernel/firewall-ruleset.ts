// The engine's one nf_tables table: which chains, rules, sets and maps there are. Pure. Nothing but elements changes while the engine
// runs: a bridge or a published port is an element, never a rule. docs/security.md says what each rule is for.
import {
  CT_DNAT,
  CT_ESTABLISHED_OR_RELATED,
  ct,
  dnat,
  equal,
  hasBits,
  isFamily,
  isLocalDestination,
  lookup,
  masquerade,
  meta,
  payload,
  toChain,
  verdict,
} from '../../protocols/nftables/nft-expressions.ts';
import {
  deleteTable,
  type FieldType,
  HOOK,
  newChain,
  newRule,
  newSet,
  newTable,
  type SetShape,
} from '../../protocols/nftables/nft-messages.ts';

const pair = (field: FieldType) => [field, field] as const;

/** Interfaces are named: a bridge that was deleted and made again has another number but the same name. */
export const SETS = {
  /** All bridges of the engine. */
  bridges: { name: 'bridges', key: ['interface'] },
  /** --internal. */
  internal: { name: 'internal', key: ['interface'] },
  /** Without communication between containers. */
  isolated: { name: 'isolated', key: ['interface'] },
  masqueraded: { name: 'masqueraded', key: ['interface'] },
  /** Each bridge with itself: a rule cannot compare two names. */
  within: { name: 'within', key: pair('interface') },
  /** Each container with itself, for one that goes to a port that it publishes. */
  self4: { name: 'self4', key: pair('ipv4') },
  self6: { name: 'self6', key: pair('ipv6') },
  /** Ports published on one address of the host, and on all. */
  ports4: { name: 'ports4', key: ['ipv4', 'protocol', 'port'], value: ['ipv4', 'port'] },
  anyPorts4: { name: 'any-ports4', key: ['protocol', 'port'], value: ['ipv4', 'port'] },
  ports6: { name: 'ports6', key: ['ipv6', 'protocol', 'port'], value: ['ipv6', 'port'] },
  anyPorts6: { name: 'any-ports6', key: ['protocol', 'port'], value: ['ipv6', 'port'] },
} as const satisfies Record<string, SetShape>;
export type SetName = keyof typeof SETS;

/** Orders of nft(8): raw, dstnat, filter, srcnat. */
const PRIORITY = { raw: -300, dstnat: -100, filter: 0, srcnat: 100 } as const;
const IPV4 = { source: 12, destination: 16, length: 4 } as const;
const IPV6 = { source: 8, destination: 24, length: 16 } as const;
const LOOPBACK_NET = Buffer.from([127]);
const LOOPBACK6 = Buffer.from([...new Array<number>(15).fill(0), 1]);

/** The rules of every chain, each a list of expressions. */
function chains(): { name: string; base?: Parameters<typeof newChain>[2]; rules: Buffer[][] }[] {
  const name = (set: SetName) => SETS[set].name;
  const iif = (set: SetName) => [meta('iifname', 0), lookup(name(set), 0)];
  const oif = (set: SetName) => [meta('oifname', 0), lookup(name(set), 0)];
  const within = [meta('iifname', 0), meta('oifname', 4), lookup(name('within'), 0)];
  const isDnat = [ct('status', 0), ...hasBits(0, CT_DNAT)];
  const loopback = (offset: number) => [...isFamily('ipv4'), payload('network', offset, 1, 0), equal(0, LOOPBACK_NET)];
  const toLoopback6 = [...isFamily('ipv6'), payload('network', IPV6.destination, 16, 0), equal(0, LOOPBACK6)];
  const toLinkLocal6 = [
    ...isFamily('ipv6'),
    payload('network', IPV6.destination, 2, 0),
    equal(0, Buffer.from([0xfe, 0x80])),
  ];
  const protocolAndPort = (word: number) => [meta('l4proto', word), payload('transport', 2, 2, word + 1)];
  const toAddress = (family: 'ipv4' | 'ipv6', set: SetName) => {
    const { destination, length } = family === 'ipv4' ? IPV4 : IPV6;
    const words = length / 4;
    const load = [payload('network', destination, length, 0), ...protocolAndPort(words)];
    return [...isFamily(family), ...load, lookup(name(set), 0, 0), dnat(family, 0, words)];
  };
  const toAny = (family: 'ipv4' | 'ipv6', set: SetName) => [
    ...isFamily(family),
    ...protocolAndPort(0),
    lookup(name(set), 0, 0),
    dnat(family, 0, family === 'ipv4' ? 1 : 4),
  ];
  const toSelf = (family: 'ipv4' | 'ipv6', set: SetName) => {
    const { source, destination, length } = family === 'ipv4' ? IPV4 : IPV6;
    const load = [payload('network', source, length, 0), payload('network', destination, length, length / 4)];
    return [...isFamily(family), ...load, lookup(name(set), 0), masquerade()];
  };

  return [
    {
      name: 'ports',
      rules: [
        toAddress('ipv4', 'ports4'),
        toAny('ipv4', 'anyPorts4'),
        // [::1] and link-local addresses cannot be translated: the port keeper's listener serves them.
        [...toLoopback6, verdict('return')],
        [...toLinkLocal6, verdict('return')],
        toAddress('ipv6', 'ports6'),
        toAny('ipv6', 'anyPorts6'),
      ],
    },
    {
      name: 'within-bridge',
      rules: [[...isDnat, verdict('accept')], [...iif('isolated'), verdict('drop')], [verdict('accept')]],
    },
    {
      // A bridge routes loopback addresses (route_localnet), but never from a container.
      name: 'raw-prerouting',
      base: { type: 'filter', hook: HOOK.PREROUTING, priority: PRIORITY.raw },
      rules: [
        [...iif('bridges'), ...loopback(IPV4.destination), verdict('drop')],
        [...iif('bridges'), ...loopback(IPV4.source), verdict('drop')],
      ],
    },
    {
      name: 'prerouting',
      base: { type: 'nat', hook: HOOK.PREROUTING, priority: PRIORITY.dstnat },
      rules: [
        // From a neighbour; what the kernel would drop as martian must not be turned into something routable first.
        [...loopback(IPV4.destination), verdict('return')],
        // Ports of such a bridge are isolated, so its containers are served by the port keeper.
        [...iif('isolated'), verdict('return')],
        [...isLocalDestination(), toChain('jump', 'ports')],
      ],
    },
    {
      name: 'output',
      base: { type: 'nat', hook: HOOK.OUTPUT, priority: PRIORITY.dstnat },
      rules: [[...isLocalDestination(), toChain('jump', 'ports')]],
    },
    {
      name: 'forward',
      base: { type: 'filter', hook: HOOK.FORWARD, priority: PRIORITY.filter },
      rules: [
        [ct('state', 0), ...hasBits(0, CT_ESTABLISHED_OR_RELATED), verdict('accept')],
        [...within, toChain('goto', 'within-bridge')],
        [...iif('internal'), verdict('drop')],
        [...oif('internal'), verdict('drop')],
        [...oif('bridges'), ...isDnat, verdict('accept')],
        // Neither another bridge nor another host reaches what is not published.
        [...oif('bridges'), verdict('drop')],
      ],
    },
    {
      name: 'postrouting',
      base: { type: 'nat', hook: HOOK.POSTROUTING, priority: PRIORITY.srcnat },
      rules: [
        toSelf('ipv4', 'self4'),
        toSelf('ipv6', 'self6'),
        // Back on the bridge it came from: the answer has to come back this way as well.
        [...within, ...isDnat, masquerade()],
        [...within, verdict('return')],
        [...iif('masqueraded'), masquerade()],
        [...oif('bridges'), ...loopback(IPV4.source), masquerade()],
      ],
    },
  ];
}

/** Replaces the table, whatever it was, with one that has no elements yet. To be sent as one transaction, elements included. */
export function rulesetMessages(table: string, comment: string): Buffer[] {
  const made = chains();
  return [
    newTable(table, comment),
    deleteTable(table),
    newTable(table, comment),
    ...Object.values(SETS).map((shape, index) => newSet(table, shape, index + 1)),
    ...made.map(({ name, base }) => newChain(table, name, base)),
    ...made.flatMap(({ name, rules }) => rules.map((rule) => newRule(table, name, rule))),
  ];
}

/** How many rules the table has when nobody has touched it. */
export function ruleCount(): number {
  return chains().reduce((count, { rules }) => count + rules.length, 0);
}
