// The pools that networks without a --subnet get theirs from: docker's defaults or --default-address-pool, and a /48 of unique local
// addresses (RFC 4193) for IPv6. A subnet that the host has a route to is passed over.
import { createHash } from 'node:crypto';
import { EngineError } from '../errors/engine-error.ts';
import { overlaps, parseSubnet, type Subnet, sizeOf, subnetOf } from '../protocols/addresses/ip-address.ts';

export interface AddressPool {
  base: Subnet;
  /** Length of the prefix of each subnet taken from it. */
  size: number;
}

/** As in docker 28. */
const defaults: readonly (readonly [base: string, size: number])[] = [
  ['172.17.0.0/16', 16],
  ['172.18.0.0/16', 16],
  ['172.19.0.0/16', 16],
  ['172.20.0.0/14', 16],
  ['172.24.0.0/14', 16],
  ['172.28.0.0/14', 16],
  ['192.168.0.0/16', 20],
];

/** Subnets tried in one pool at the most: a /48 has 65536 of /64. */
const triesLimit = 1 << 16;

/** `asked` are the daemon's options, both families; a family without any gets the defaults. Throws 'invalid'. */
export function addressPools(engineId: string, asked: readonly { base: string; size: number }[]): AddressPool[] {
  const pools = asked.map(({ base, size }) => makePool(base, size));
  const has = (family: 4 | 6) => pools.some((pool) => pool.base.family === family);
  if (!has(4)) pools.push(...defaults.map(([base, size]) => makePool(base, size)));
  if (!has(6)) pools.push({ base: uniqueLocal(engineId), size: 64 });
  return pools;
}

function makePool(text: string, size: number): AddressPool {
  const base = parseSubnet(text);
  if (base === undefined) throw new EngineError('invalid', `invalid address pool "${text}": a subnet is expected`);
  const longest = base.family === 4 ? 32 : 128;
  if (!Number.isInteger(size) || size < base.prefix || size > longest) {
    throw new EngineError(
      'invalid',
      `invalid address pool ${text}: the size ${size} is not one of ${base.prefix} to ${longest}`,
    );
  }
  return { base, size };
}

/** Forty bits that are this host's own, so that two hosts that are joined one day do not meet. */
function uniqueLocal(engineId: string): Subnet {
  const digest = createHash('sha256').update(`${engineId} ula`).digest('hex');
  return subnetOf({ family: 6, value: BigInt(`0xfd${digest.slice(0, 10)}`) << 80n }, 48);
}

/** The first subnet that overlaps nothing of `taken`. Throws 'system' in docker's words when there is none left. */
export function chooseSubnet(pools: readonly AddressPool[], family: 4 | 6, taken: readonly Subnet[]): Subnet {
  for (const { base, size } of pools) {
    if (base.family !== family) continue;
    const near = taken.filter((subnet) => overlaps(subnet, base));
    let candidate = subnetOf({ family, value: base.base }, size);
    for (let tries = 0; tries < triesLimit && overlaps(candidate, base); tries++) {
      const current = candidate;
      if (!near.some((subnet) => overlaps(subnet, current))) return candidate;
      candidate = { ...candidate, base: candidate.base + sizeOf(candidate) };
    }
  }
  throw new EngineError(
    'system',
    'all predefined address pools have been fully subnetted: give the network a --subnet or the daemon a --default-address-pool',
  );
}
