// A kernel that notes what it was asked, for tests of what the services ask of it.
import type { DesiredState, NetworkKernel } from '../../../daemon/networks/kernel/network-kernel.ts';
import type { PublishedPort } from '../../../daemon/networks/kernel/published-port.ts';

export interface FakeKernel extends NetworkKernel {
  /** "attach br-1 eth0 172.18.0.2 via 172.18.0.1", in order. */
  readonly calls: string[];
  /** The next call of that name throws. */
  failNext(name: string, error: Error): void;
  routes: { destination: string; interfaceName: string }[];
  /** Namespaces that were taken and not closed. */
  openNamespaces: number;
  healed: DesiredState[];
}

export function fakeKernel(): FakeKernel {
  const failures = new Map<string, Error>();
  const calls: string[] = [];
  const note = (name: string, text: string) => {
    calls.push(`${name} ${text}`.trim());
    const failure = failures.get(name);
    failures.delete(name);
    if (failure !== undefined) throw failure;
  };
  const namespace = () => {
    kernel.openNamespaces++;
    return {
      fd: 99,
      [Symbol.dispose]: () => {
        kernel.openNamespaces--;
      },
    };
  };
  let port = 32768;
  const kernel: FakeKernel = {
    calls,
    routes: [],
    openNamespaces: 0,
    healed: [],
    failNext: (name, error) => failures.set(name, error),
    ensureBridge: async ({ name, ipv4 }) => note('ensureBridge', `${name} ${ipv4?.address ?? ''}`),
    removeBridge: async (name) => note('removeBridge', name),
    takeNamespace: async () => namespace(),
    openNamespaceOf: () => namespace(),
    attach: async (_, { bridge, interfaceName, ipv4, gateway4 }) =>
      note('attach', `${bridge} ${interfaceName} ${ipv4?.address ?? ''} via ${gateway4 ?? '-'}`),
    setGateways: async (_, { gateway4 }) => note('setGateways', gateway4 ?? '-'),
    detach: async ({ ipv4, hasEnded }) => note('detach', `${ipv4 ?? ''} ${hasEnded ? 'ended' : 'running'}`),
    publish: async ({ containerId, ipv4, ports }) => {
      note('publish', `${ipv4} ${ports.map(({ containerPort, hostIp }) => `${hostIp}:${containerPort}`).join(' ')}`);
      return ports.map(
        ({ protocol, containerPort, hostIp, hostPorts }): PublishedPort => ({
          containerId,
          protocol,
          hostIp: hostIp || '0.0.0.0',
          hostPort: hostPorts?.first ?? port++,
          containerIp: ipv4 ?? '',
          containerPort,
        }),
      );
    },
    unpublish: async (ports) => note('unpublish', ports.map(({ hostPort }) => hostPort).join(' ')),
    heal: async (desired) => {
      kernel.healed.push(desired);
      return { repaired: [], failed: [] };
    },
    hostRoutes: async () => kernel.routes,
    hostForwarding: () => ({ ipv4Forwarding: true, ipv6Forwarding: true, warnings: [] }),
    dispose: async () => undefined,
  };
  return kernel;
}
