// Who sees which names: answers out of the networks' own tables, so that every change is seen at once. Only user-defined networks have
// names.

import { contains, formatAddress, parseAddress, parseSubnet } from '../protocols/addresses/ip-address.ts';
import type { Endpoint } from './endpoint.ts';
import type { Connection } from './gateways.ts';
import type { NameAddresses, NameDirectory } from './name-directory.ts';
import type { NetworkEntry } from './network-entry.ts';
import { isPredefined } from './network-record.ts';

export class Directory implements NameDirectory {
  readonly #connections: (containerId: string) => readonly Connection[];

  constructor(connections: (containerId: string) => readonly Connection[]) {
    this.#connections = connections;
  }

  addressesOf(containerId: string, name: string): NameAddresses | undefined {
    const wanted = name.toLowerCase().replace(/\.$/, '');
    const found = this.#userNetworks(containerId).flatMap(({ entry, endpoint }) => lookUp(entry, endpoint, wanted));
    if (found.length === 0) return undefined;
    const list = (pick: (endpoint: Endpoint) => string | undefined) => [
      ...new Set(found.map(pick).filter((address) => address !== undefined)),
    ];
    return { ipv4: list(({ ipv4 }) => ipv4), ipv6: list(({ ipv6 }) => ipv6) };
  }

  nameOf(containerId: string, address: string): string | undefined {
    const parsed = parseAddress(address);
    if (parsed === undefined) return undefined;
    const text = formatAddress(parsed);
    for (const { entry } of this.#userNetworks(containerId)) {
      const holder = entry.withAddress(text);
      if (holder !== undefined) return `${holder.containerName}.${entry.record.name}`;
    }
    return undefined;
  }

  isOwnSubnet(containerId: string, address: string): boolean {
    const parsed = parseAddress(address);
    if (parsed === undefined) return false;
    return this.#userNetworks(containerId).some(({ entry }) =>
      entry.record.pools.some((pool) => {
        const subnet = parseSubnet(pool.subnet);
        return subnet !== undefined && contains(subnet, parsed);
      }),
    );
  }

  #userNetworks(containerId: string): Connection[] {
    return this.#connections(containerId).filter(({ entry }) => !isPredefined(entry.record));
  }
}

/** `name`, a link of the asker's own, or `name.network`. */
function lookUp(entry: NetworkEntry, asker: Endpoint, wanted: string): Endpoint[] {
  const target = asker.links.get(wanted);
  const byLink = target === undefined ? [] : entry.named(target.length === 64 ? target.slice(0, 12) : target);
  if (byLink.length > 0) return byLink;
  const plain = entry.named(wanted);
  if (plain.length > 0) return plain;
  const suffix = `.${entry.record.name.toLowerCase()}`;
  return wanted.endsWith(suffix) ? entry.named(wanted.slice(0, -suffix.length)) : [];
}
