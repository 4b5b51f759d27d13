// Which of a container's networks has the default route, and which gets its published ports. Pure.
import type { Gateways } from './drivers/network-driver.ts';
import type { Endpoint } from './endpoint.ts';
import { gatewayOf, type NetworkEntry } from './network-entry.ts';

export interface Connection {
  entry: NetworkEntry;
  endpoint: Endpoint;
}

/** As docker 28: the highest priority, then the name that sorts first. Internal networks lead nowhere. */
export function gatewayConnection(connections: readonly Connection[], family: 4 | 6): Connection | undefined {
  return connections
    .filter(({ entry, endpoint }) => {
      const address = family === 4 ? endpoint.ipv4 : endpoint.ipv6;
      return address !== undefined && gatewayOf(entry.record, family) !== undefined;
    })
    .sort(byPriority)[0];
}

function byPriority(a: Connection, b: Connection): number {
  const names = [a.entry.record.name, b.entry.record.name] as const;
  return b.endpoint.gatewayPriority - a.endpoint.gatewayPriority || (names[0] < names[1] ? -1 : 1);
}

export function gatewaysOf(connections: readonly Connection[]): Gateways {
  const [by4, by6] = ([4, 6] as const).map((family) => {
    const found = gatewayConnection(connections, family);
    return found === undefined ? undefined : gatewayOf(found.entry.record, family);
  });
  return routes(by4, by6);
}

/** The default routes that one of them has to provide. */
export function gatewaysFrom(connections: readonly Connection[], connection: Connection): Gateways {
  const own = (family: 4 | 6) =>
    gatewayConnection(connections, family) === connection ? gatewayOf(connection.entry.record, family) : undefined;
  return routes(own(4), own(6));
}

/** Where published ports lead to. */
export function portConnection(connections: readonly Connection[]): Connection | undefined {
  return gatewayConnection(connections, 4) ?? gatewayConnection(connections, 6);
}

function routes(gateway4: string | undefined, gateway6: string | undefined): Gateways {
  return { ...(gateway4 === undefined ? {} : { gateway4 }), ...(gateway6 === undefined ? {} : { gateway6 }) };
}
