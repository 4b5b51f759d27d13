// A network driver as CONTRIBUTING.md describes how to add one: containers have an interface that leads nowhere.

import { EngineError } from '../../../../daemon/errors/engine-error.ts';
import type { JoinRequest, NetworkDriver } from '../../../../daemon/networks/drivers/network-driver.ts';
import type { NetworkRecord } from '../../../../daemon/networks/network-record.ts';
import { ipInside } from '../../../harness/own-network.ts';

/** `open`: the namespace of a running process. */
export function nullTestDriver(open: (pid: number) => Disposable & { readonly fd: number }): NetworkDriver {
  const made = new Set<string>();
  const join = (fd: number, { endpoint, gateways }: JoinRequest) => {
    const { interfaceName, mac, ipv4 } = endpoint;
    // Both ends are in the container.
    ipInside(fd, `link add ${interfaceName} address ${mac} type veth peer name nowhere`);
    ipInside(fd, `addr add ${ipv4}/24 dev ${interfaceName}`);
    for (const end of ['nowhere', interfaceName]) ipInside(fd, `link set ${end} up`);
    if (gateways.gateway4 !== undefined) ipInside(fd, `route replace default via ${gateways.gateway4}`);
  };
  return {
    name: 'null-test',
    plan: ({ options }) => {
      const [unknown] = Object.keys(options).filter((key) => key !== 'colour');
      if (unknown !== undefined) throw new EngineError('invalid', `null-test: no option ${unknown}`);
      return { hasAddresses: true };
    },
    interfaces: () => ({ prefix: 'nil', mtu: 1500, means: 'an interface that leads nowhere' }),
    ensure: async ({ id }: NetworkRecord) => void made.add(id),
    isMade: ({ id }) => made.has(id),
    remove: async ({ id }) => void made.delete(id),
    join: async (namespace, request) => {
      made.add(request.record.id);
      join(namespace.fd, request);
    },
    leave: async ({ interfaceName }, from) => {
      using namespace = from.open?.();
      if (namespace === undefined || !hasInterface(namespace.fd, interfaceName)) return;
      ipInside(namespace.fd, `link del ${interfaceName}`);
    },
    heal: async ({ endpoints }) => {
      const repaired: string[] = [];
      for (const request of endpoints) {
        using namespace = open(request.pid);
        const { interfaceName } = request.endpoint;
        if (hasInterface(namespace.fd, interfaceName)) continue;
        join(namespace.fd, request);
        repaired.push(interfaceName);
      }
      return { repaired, failed: [] };
    },
  };
}

function hasInterface(fd: number, name: string): boolean {
  return new RegExp(`^\\d+: ${name}[:@]`, 'm').test(ipInside(fd, 'link show'));
}
