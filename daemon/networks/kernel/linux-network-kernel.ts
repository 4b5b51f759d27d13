// The network kernel on Linux: puts together links, firewall, ports and namespaces, and brings back what others have taken away.
// What it remembers (#bridges, #endpoints) is what it has made or found; the services' records say what should be.
import { SystemError } from '../../../native-bindings/errno.ts';
import { NETLINK } from '../../../native-bindings/sockets.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { isNetworkRoute, listRoutes, parseRoute } from '../../protocols/netlink/address-messages.ts';
import { changeLink } from '../../protocols/netlink/link-messages.ts';
import { Bridges } from './bridges.ts';
import { Endpoints, setGateways } from './endpoints.ts';
import { Firewall } from './firewall.ts';
import { bridgeElements } from './firewall-elements.ts';
import { ForwardPolicy } from './forward-policy.ts';
import { ensureForwarding, hostForwarding } from './host-sysctls.ts';
import { type EngineNames, engineNames } from './names.ts';
import { openNamespaceOf } from './namespace.ts';
import { NamespacePool } from './namespace-pool.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import type {
  BridgeRequest,
  DesiredState,
  EndpointReference,
  EndpointRequest,
  HealReport,
  HostForwarding,
  HostRoute,
  NetworkKernel,
  NetworkNamespace,
} from './network-kernel.ts';
import { PortKeeper } from './port-keeper.ts';
import type { PublishedPort, PublishRequest } from './published-port.ts';
import { PublishedPorts } from './published-ports.ts';
import type { StartMode } from './start-mode.ts';
import { TrackedConnections } from './tracked-connections.ts';

export interface NetworkKernelOptions {
  engineId: string;
  /** Where the port keeper's socket is: the engine's own, and the same after a restart. */
  runDirectory: string;
  /** How many namespaces are held ready. */
  poolSize: number;
  startMode: StartMode;
  /** false: the host's forwarding is left as its administrator has it. */
  isForwardingSet: boolean;
  /** What was put right, or could not be, outside of any request. */
  onNotice: (message: string) => void;
}

interface KnownBridge {
  request: BridgeRequest;
  index: number;
}

export class LinuxNetworkKernel implements NetworkKernel {
  readonly #options: NetworkKernelOptions;
  readonly #names: EngineNames;
  readonly #route = NetlinkSocket.open(NETLINK.ROUTE);
  readonly #bridgeLinks: Bridges;
  readonly #endpointLinks: Endpoints;
  readonly #firewall: Firewall;
  readonly #policy: ForwardPolicy;
  readonly #tracked = new TrackedConnections();
  readonly #keeper: PortKeeper;
  readonly #ports: PublishedPorts;
  readonly #pool: NamespacePool;
  readonly #bridges = new Map<string, KnownBridge>();
  /** Those that are being made again. */
  readonly #mending = new Map<string, Promise<void>>();
  /** Warnings that were given already. */
  readonly #noticed = new Set<string>();
  /** Names of bridges, by endpoint. */
  readonly #endpoints = new Map<string, string>();

  constructor(options: NetworkKernelOptions) {
    this.#options = options;
    this.#names = engineNames(options.engineId);
    this.#bridgeLinks = new Bridges(this.#route, this.#names);
    this.#endpointLinks = new Endpoints(this.#route, this.#names);
    this.#firewall = new Firewall(this.#names.table, `tsdocker ${options.engineId}`);
    this.#policy = new ForwardPolicy(`tsdocker ${options.engineId}`);
    this.#keeper = new PortKeeper({
      directory: options.runDirectory,
      engineId: options.engineId,
      startMode: options.startMode,
      onLost: () => void this.#restorePorts(),
      onNotice: options.onNotice,
    });
    this.#ports = new PublishedPorts(this.#keeper, this.#firewall, this.#tracked);
    this.#pool = new NamespacePool(options.startMode, options.poolSize);
    this.#pool.warmUp();
  }

  async ensureBridge(request: BridgeRequest): Promise<void> {
    const { index, isNew } = await this.#bridgeLinks.ensure(request);
    const before = this.#bridges.get(request.name)?.request;
    try {
      await this.#letForward(request);
      const elements = { add: bridgeElements(request), remove: before === undefined ? [] : bridgeElements(before) };
      if (before === undefined || JSON.stringify(elements.add) !== JSON.stringify(elements.remove)) {
        await this.#firewall.apply(elements);
      } else await this.#checkFirewall();
    } catch (error) {
      if (isNew) await this.#bridgeLinks.remove(request.name);
      throw error;
    }
    this.#bridges.set(request.name, { request, index });
    if (isNew) await this.#returnPorts(request.name, index);
  }

  async removeBridge(name: string): Promise<void> {
    const known = this.#bridges.get(name);
    await this.#bridgeLinks.remove(name);
    if (known === undefined) return;
    this.#bridges.delete(name);
    await this.#policy.forget(name);
    await this.#firewall.apply({ remove: bridgeElements(known.request) });
  }

  takeNamespace(): Promise<NetworkNamespace> {
    return this.#pool.take();
  }

  openNamespaceOf(pid: number): NetworkNamespace {
    return openNamespaceOf(pid);
  }

  async attach(namespace: NetworkNamespace, endpoint: EndpointRequest): Promise<void> {
    const known = this.#bridges.get(endpoint.bridge);
    if (known === undefined)
      throw new EngineError('system', `attach to bridge ${endpoint.bridge}: there is no such bridge`);
    // Without its rules a container would be open to all: neither half is good alone.
    const [linked, checked] = await Promise.allSettled([
      this.#attachLink(namespace, endpoint, known),
      this.#checkFirewall(),
    ]);
    if (linked.status === 'rejected') throw attachError(endpoint, linked.reason);
    if (checked.status === 'rejected') {
      await this.#endpointLinks.remove(
        { endpointId: endpoint.endpointId, containerId: endpoint.containerId, hasEnded: false },
        undefined,
      );
      throw attachError(endpoint, checked.reason);
    }
    this.#endpoints.set(endpoint.endpointId, endpoint.bridge);
  }

  setGateways(namespace: NetworkNamespace, gateways: { gateway4?: string; gateway6?: string }): Promise<void> {
    return setGateways(namespace, gateways);
  }

  async detach(endpoint: EndpointReference): Promise<void> {
    const bridge = this.#bridges.get(this.#endpoints.get(endpoint.endpointId) ?? '');
    this.#endpoints.delete(endpoint.endpointId);
    await this.#endpointLinks.remove(endpoint, bridge?.index);
    for (const address of [endpoint.ipv4, endpoint.ipv6]) {
      if (address !== undefined) this.#tracked.forgetAddress(address);
    }
  }

  publish(request: PublishRequest): Promise<PublishedPort[]> {
    return this.#ports.publish(request);
  }

  unpublish(ports: readonly PublishedPort[]): Promise<void> {
    return this.#ports.unpublish(ports);
  }

  async heal(desired: DesiredState): Promise<HealReport> {
    const report: HealReport = { repaired: [], failed: [] };
    await this.#healBridges(desired.bridges, report);
    this.#endpoints.clear();
    for (const { endpoint } of desired.endpoints) this.#endpoints.set(endpoint.endpointId, endpoint.bridge);
    const indexOf = (bridge: string) => this.#bridges.get(bridge)?.index;
    const endpoints = await this.#endpointLinks.heal(desired.endpoints, await this.#bridgeLinks.links(), indexOf);
    const ports = await this.#ports.heal(desired.ports);
    for (const part of [endpoints, ports]) {
      report.repaired.push(...part.repaired);
      report.failed.push(...part.failed);
    }
    const bridges = [...this.#bridges.values()].flatMap(({ request }) => bridgeElements(request));
    if (await this.#firewall.replace([...bridges, ...this.#ports.elements()])) {
      report.repaired.push(`table ${this.#names.table} of the firewall is as it should be again`);
    }
    return report;
  }

  async hostRoutes(): Promise<HostRoute[]> {
    const names = new Map((await this.#bridgeLinks.links()).map(({ index, name }) => [index, name]));
    const routes: HostRoute[] = [];
    for (const family of [4, 6] as const) {
      for (const route of (await this.#route.dump(listRoutes(family), 'routes')).map(parseRoute)) {
        if (!isNetworkRoute(route)) continue;
        routes.push({
          destination: `${route.destination}/${route.prefix}`,
          interfaceName: names.get(route.index) ?? '',
        });
      }
    }
    return routes;
  }

  hostForwarding(): HostForwarding {
    return hostForwarding();
  }

  async dispose(): Promise<void> {
    this.#pool.dispose();
    this.#keeper.dispose();
    await this.#tracked.dispose();
    this.#firewall[Symbol.dispose]();
    this.#policy[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  /** What the bridge's packets need of the host besides the engine's own rules. An internal one forwards nothing. */
  async #letForward(request: BridgeRequest): Promise<void> {
    if (request.isInternal) return;
    const forwarding = this.#options.isForwardingSet ? await ensureForwarding(request) : [];
    const warnings = [...forwarding, ...(await this.#policy.allow(request.name))];
    for (const warning of warnings) {
      if (this.#noticed.has(warning)) continue;
      this.#noticed.add(warning);
      this.#options.onNotice(warning);
    }
  }

  async #healBridges(desired: readonly BridgeRequest[], report: HealReport): Promise<void> {
    const removed = await this.#bridgeLinks.removeOthers(new Set(desired.map(({ name }) => name)));
    report.repaired.push(...removed.map((name) => `bridge ${name} belonged to no network`));
    this.#bridges.clear();
    for (const request of desired) {
      try {
        const { index, isNew } = await this.#bridgeLinks.ensure(request);
        this.#bridges.set(request.name, { request, index });
        await this.#letForward(request);
        if (isNew) report.repaired.push(`bridge ${request.name} is made again`);
      } catch (error) {
        report.failed.push(`bridge ${request.name}: ${messageOf(error)}`);
      }
    }
  }

  /** A bridge that was deleted under us is made again. */
  async #attachLink(namespace: NetworkNamespace, endpoint: EndpointRequest, known: KnownBridge): Promise<void> {
    try {
      await this.#endpointLinks.attach(namespace, endpoint, known.index);
    } catch (error) {
      if (!(error instanceof SystemError) || !(await this.#isBridgeLost(known))) throw error;
      await this.#endpointLinks.attach(namespace, endpoint, this.#bridges.get(endpoint.bridge)?.index ?? 0);
    }
  }

  /** `nft flush ruleset`, or another firewall that was started meanwhile. */
  async #checkFirewall(): Promise<void> {
    const { isForeign, isRepaired } = await this.#firewall.check();
    if (isRepaired) this.#options.onNotice(`table ${this.#names.table} of the firewall was changed and is made anew`);
    if (!isForeign) return;
    for (const { request } of this.#bridges.values()) await this.#letForward(request);
  }

  /** Deleted under us, and made again by now: once, however many containers find out. */
  async #isBridgeLost({ request, index }: KnownBridge): Promise<boolean> {
    const { name } = request;
    if ((await this.#bridgeLinks.find(name))?.index === index) return false;
    if (this.#bridges.get(name)?.index !== index) return true;
    let mending = this.#mending.get(name);
    if (mending === undefined) {
      mending = this.ensureBridge(request).finally(() => this.#mending.delete(name));
      this.#mending.set(name, mending);
      this.#options.onNotice(`bridge ${name} was gone and is made again`);
    }
    await mending;
    return true;
  }

  /** A deleted bridge leaves its containers' interfaces behind, connected to nothing. */
  async #returnPorts(bridge: string, index: number): Promise<void> {
    const ids = [...this.#endpoints].filter(([, name]) => name === bridge).map(([id]) => id);
    if (ids.length === 0) return;
    await this.#route.send(ids.map((id) => changeLink(this.#names.veth(id), { master: index, isUp: true })));
  }

  async #restorePorts(): Promise<void> {
    const { repaired, failed } = await this.#ports
      .restore()
      .catch((error: unknown) => ({ repaired: [], failed: [messageOf(error)] }));
    for (const line of [...repaired, ...failed]) this.#options.onNotice(`the port keeper had ended: ${line}`);
  }
}

function attachError(endpoint: EndpointRequest, error: unknown): unknown {
  if (!(error instanceof SystemError)) return error;
  return new EngineError('system', `attach ${endpoint.interfaceName} to bridge ${endpoint.bridge}: ${error.message}`, {
    cause: error,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
