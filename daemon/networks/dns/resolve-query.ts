// What the engine itself knows of a question, decided without sockets: names and addresses of a container's neighbours. The rest goes to
// resolvers outside. A known name is answered whatever is asked of it: names of containers are nobody's business outside.

import { type Answer, type Query, RCODE, TYPE, writeReply } from '../../protocols/dns/message.ts';
import { addressOfReverseName } from '../../protocols/dns/names.ts';
import type { NameDirectory } from '../name-directory.ts';

/** As Docker's server says. Names change at any time; clients that cache for ten minutes do so with Docker, too. */
const TTL_SECONDS = 600;
const ZONE_TRANSFERS: ReadonlySet<number> = new Set([251, 252]);

export interface Viewer {
  containerId: string;
  directory: NameDirectory;
  /** Shuffles equal answers, so that clients that take the first are spread over them. A number from 0 up to `below`, without it. */
  random(below: number): number;
  /** ndots was asked for: names of a single label are only looked up here, and then with the search list's domains by the client. */
  keepsSingleLabels: boolean;
}

/** The reply; or undefined: it is a question for the resolvers outside. */
export function resolveQuery(query: Query, viewer: Viewer): Buffer | undefined {
  if (!query.isInternet || ZONE_TRANSFERS.has(query.type)) return writeReply(query, RCODE.REFUSED, []);
  const known = viewer.directory.addressesOf(viewer.containerId, query.name);
  if (known !== undefined) {
    const isAsked = (type: number) => query.type === type || query.type === TYPE.ANY;
    const addresses = [
      ...(isAsked(TYPE.A) ? shuffled(known.ipv4, viewer.random) : []),
      ...(isAsked(TYPE.AAAA) ? shuffled(known.ipv6, viewer.random) : []),
    ];
    const answers = addresses.map((address): Answer => ({ type: 'address', address }));
    return writeReply(query, RCODE.NOERROR, answers, TTL_SECONDS);
  }
  if (query.type === TYPE.PTR) return resolveReverse(query, viewer);
  const isAddressAsked = query.type === TYPE.A || query.type === TYPE.AAAA;
  if (viewer.keepsSingleLabels && isAddressAsked && query.name !== '' && !query.name.includes('.')) {
    return writeReply(query, RCODE.NOERROR, []);
  }
  return undefined;
}

/** Addresses of the container's own networks are never asked outside, known or not. */
function resolveReverse(query: Query, { containerId, directory }: Viewer): Buffer | undefined {
  const address = addressOfReverseName(query.name);
  if (address === undefined) return undefined;
  const name = directory.nameOf(containerId, address);
  if (name !== undefined) return writeReply(query, RCODE.NOERROR, [{ type: 'name', name }], TTL_SECONDS);
  return directory.isOwnSubnet(containerId, address) ? writeReply(query, RCODE.NXDOMAIN, []) : undefined;
}

function shuffled(values: readonly string[], random: (below: number) => number): string[] {
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const other = random(last + 1);
    const value = result[last] as string;
    result[last] = result[other] as string;
    result[other] = value;
  }
  return result;
}
