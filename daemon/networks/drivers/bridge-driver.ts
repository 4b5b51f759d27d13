// "bridge": an interface of the host that containers' interfaces are ports of, with rules for what passes it. Bridges are made when they
// are first needed, remembered as made, and removed with their network.
import { EngineError } from '../../errors/engine-error.ts';
import type { PortRequest } from '../../spec/ports.ts';
import type { Endpoint } from '../endpoint.ts';
import type { HealReport, NetworkKernel, NetworkNamespace } from '../kernel/network-kernel.ts';
import type { PublishedPort } from '../kernel/published-port.ts';
import type { NetworkRecord } from '../network-record.ts';
import { checkIpv6Mtu, parseBridgeOptions } from './bridge-options.ts';
import { bridgeRequest, endpointRequest } from './bridge-requests.ts';
import type {
  AskedNetwork,
  DriverPlan,
  DriverState,
  InterfaceFacts,
  JoinRequest,
  LeftNamespace,
  NetworkDriver,
  PortPublisher,
} from './network-driver.ts';

const defaultMtu = 1500;

export class BridgeDriver implements NetworkDriver {
  readonly name = 'bridge';
  readonly ports: PortPublisher;
  readonly #kernel: NetworkKernel;
  readonly #made = new Map<string, Promise<void>>();
  /** The last change of each interface name: a bridge is not made while one of its name is being removed. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(kernel: NetworkKernel) {
    this.#kernel = kernel;
    this.ports = {
      publish: (record, endpoint, ports) => this.#publish(record, endpoint, ports),
      unpublish: (ports) => kernel.unpublish(ports),
    };
  }

  plan({ id, options, isIpv6Enabled }: AskedNetwork): DriverPlan {
    const bridge = parseBridgeOptions(options, id);
    checkIpv6Mtu(isIpv6Enabled, bridge.mtu);
    return { hasAddresses: true, bridge };
  }

  /** Two networks on one interface would be one network. */
  checkBeside({ id, bridge }: NetworkRecord, others: readonly NetworkRecord[]): void {
    const name = bridge?.name ?? '';
    const other = others.find((each) => each.bridge?.name === name);
    if (other === undefined) return;
    throw new EngineError(
      'forbidden',
      `cannot create network ${id} (${name}): conflicts with network ${other.id} (${name}): networks have same bridge name`,
    );
  }

  /** None with --bridge=none: then the default network has no bridge. */
  interfaces({ bridge }: NetworkRecord): InterfaceFacts | undefined {
    if (bridge === undefined) return undefined;
    const { name, interfacePrefix, mtu = defaultMtu } = bridge;
    return { prefix: interfacePrefix, mtu, hostInterface: name, means: `bridge ${name}, made if it is not there` };
  }

  ensure(record: NetworkRecord): Promise<void> {
    let made = this.#made.get(record.id);
    if (made === undefined) {
      const request = bridgeRequest(record);
      made = this.#inTurn(request.name, () => this.#kernel.ensureBridge(request));
      this.#made.set(record.id, made);
      made.catch(() => this.#made.delete(record.id));
    }
    return made;
  }

  isMade({ id }: NetworkRecord): boolean {
    return this.#made.has(id);
  }

  remove({ id, bridge }: NetworkRecord): Promise<void> {
    this.#made.delete(id);
    if (bridge === undefined) return Promise.resolve();
    return this.#inTurn(bridge.name, () => this.#kernel.removeBridge(bridge.name));
  }

  async join(namespace: NetworkNamespace, { record, endpoint, gateways }: JoinRequest): Promise<void> {
    const request = endpointRequest(record, endpoint, gateways);
    await this.ensure(record);
    await this.#kernel.attach(namespace, request);
  }

  leave({ endpointId, containerId, ipv4, ipv6 }: Endpoint, { hasEnded }: LeftNamespace): Promise<void> {
    return this.#kernel.detach({ endpointId, containerId, ...addressesOf({ ipv4, ipv6 }), hasEnded });
  }

  heal({ networks, endpoints, ports }: DriverState): Promise<HealReport> {
    return this.#kernel.heal({
      bridges: networks.map(bridgeRequest),
      endpoints: endpoints.map(({ record, endpoint, gateways, pid }) => ({
        endpoint: endpointRequest(record, endpoint, gateways),
        pid,
      })),
      ports,
    });
  }

  /** Forwarding that is off is turned on with the first bridge. */
  warnings(): string[] {
    return this.#kernel.hostForwarding().warnings;
  }

  #publish(
    { bridge }: NetworkRecord,
    { containerId, containerName, endpointId, ipv4, ipv6 }: Endpoint,
    ports: readonly PortRequest[],
  ): Promise<PublishedPort[]> {
    return this.#kernel.publish({
      containerId,
      containerName,
      endpointId,
      bridge: bridge?.name ?? '',
      ...addressesOf({ ipv4, ipv6 }),
      ports: ports.map((port) => ({ ...port, hostIp: port.hostIp || (bridge?.hostIp ?? '') })),
    });
  }

  async #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(work);
    this.#last.set(name, mine);
    try {
      await mine;
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}

function addressesOf({ ipv4, ipv6 }: { ipv4: string | undefined; ipv6: string | undefined }) {
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}
