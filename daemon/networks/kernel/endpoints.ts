// A container's interface: a pair of ends, one a port of the bridge on the host, the other in the container's namespace. Two batches of
// messages make it, one to either side.
import { setTimeout as sleep } from 'node:timers/promises';
import { SystemError } from '../../../native-bindings/errno.ts';
import { inNetworkNamespace } from '../../../native-bindings/namespaces.ts';
import { NETLINK } from '../../../native-bindings/sockets.ts';
import { EngineError } from '../../errors/engine-error.ts';
import {
  addAddress,
  addLinkRoute,
  isInside,
  listRoutes,
  parseRoute,
  removeDefaultRoute,
  removeNeighbour,
  setDefaultRoute,
} from '../../protocols/netlink/address-messages.ts';
import {
  changeLink,
  getLink,
  type Link,
  newVeth,
  parseLink,
  removeLink,
  silencePort,
} from '../../protocols/netlink/link-messages.ts';
import { isBridgeFiltered, prepareInterface, speaksIpv6 } from './host-sysctls.ts';
import type { EngineNames } from './names.ts';
import { openNamespaceOf } from './namespace.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import type {
  DesiredState,
  EndpointReference,
  EndpointRequest,
  HealReport,
  InterfaceAddress,
  NetworkNamespace,
} from './network-kernel.ts';

const POLL_MS = 1;
/** Then the container starts all the same. */
const LONGEST_WAIT_MS = 300;
/** Within this and twice of it, the pairs of ended containers are gone. */
const GRACE_MS = 2000;

export class Endpoints {
  readonly #socket: NetlinkSocket;
  readonly #names: EngineNames;
  /** Pairs that the kernel is expected to remove, those of the current and of the last round. */
  #leaving: string[] = [];
  #late: string[] = [];
  #round: NodeJS.Timeout | undefined;

  constructor(socket: NetlinkSocket, names: EngineNames) {
    this.#socket = socket;
    this.#names = names;
  }

  /** `master` is the bridge's index. Throws SystemError ENODEV when there is no such bridge (any more). */
  async attach(namespace: NetworkNamespace, endpoint: EndpointRequest, master: number): Promise<void> {
    const name = this.#names.veth(endpoint.endpointId);
    using inside = inNetworkNamespace(namespace.fd, () => NetlinkSocket.open(NETLINK.ROUTE));
    await this.#makePair(namespace, endpoint, name, master);
    try {
      await configure(namespace, inside, endpoint);
      await this.#waitUntilRunning(name, endpoint.bridge);
    } catch (error) {
      await this.#socket.send([removeLink(name)]);
      throw error;
    }
  }

  /**
   * Its end, and what the host still knows of the machine that had the addresses. Of a container that has ended the kernel removes the
   * pair, many at a time, while nobody waits; until then it must not answer for an address that somebody else may have by now. It stays
   * for longer where something holds the namespace (an open descriptor; a TCP connection whose end nobody confirms, for minutes): then,
   * and at once where the container goes on, it is removed here, which takes some 20 ms of another thread's time.
   */
  async remove(
    { endpointId, ipv4, ipv6, hasEnded }: EndpointReference,
    bridgeIndex: number | undefined,
  ): Promise<void> {
    const name = this.#names.veth(endpointId);
    const addresses = [ipv4, ipv6].filter((address) => address !== undefined);
    await this.#socket.send([
      hasEnded ? silencePort(name) : removeLink(name),
      ...(bridgeIndex === undefined ? [] : addresses.map((address) => removeNeighbour(bridgeIndex, address))),
    ]);
    if (!hasEnded) return;
    this.#leaving.push(name);
    this.#round ??= this.#nextRound();
  }

  #nextRound(): NodeJS.Timeout {
    return setTimeout(() => void this.#removeLate(), GRACE_MS).unref();
  }

  async #removeLate(): Promise<void> {
    const still = this.#late.filter((name) => this.#isThere(name));
    [this.#late, this.#leaving] = [this.#leaving, []];
    this.#round = this.#late.length === 0 ? undefined : this.#nextRound();
    await this.#socket.send(still.map(removeLink)).catch(() => undefined);
  }

  #isThere(name: string): boolean {
    try {
      return this.#socket.indexOf(name) > 0;
    } catch {
      return false;
    }
  }

  /** Connects what should be, and removes pairs of this engine that are nobody's. `links` are all of the host. */
  async heal(
    desired: DesiredState['endpoints'],
    links: readonly Link[],
    indexOf: (bridge: string) => number | undefined,
  ): Promise<HealReport> {
    const report: HealReport = { repaired: [], failed: [] };
    const present = new Map(links.map((link) => [link.name, link]));
    const orphans = new Set([...present.keys()].filter((name) => name.startsWith(this.#names.vethStart)));
    for (const { endpoint, pid } of desired) {
      const name = this.#names.veth(endpoint.endpointId);
      const link = present.get(name);
      const index = indexOf(endpoint.bridge);
      const what = `${endpoint.interfaceName} of container ${endpoint.containerId}`;
      orphans.delete(name);
      if (index === undefined || link?.master === index) continue;
      try {
        if (link === undefined) {
          using namespace = openNamespaceOf(pid);
          await this.attach(namespace, endpoint, index);
        } else await this.#socket.request([changeLink(name, { master: index, isUp: true })], `connect ${name}`);
        report.repaired.push(`${what} is connected again`);
      } catch (error) {
        report.failed.push(`${what}: ${error instanceof Error ? error.message : error}`);
      }
    }
    await this.#socket.send([...orphans].map(removeLink));
    report.repaired.push(...[...orphans].map((name) => `interface ${name} belonged to no container`));
    return report;
  }

  /**
   * The kernel hears of the new carrier in a worker of its own, and until then the port and a bridge that was empty drop everything: a
   * container's first packets would be lost, and sent again only after a second. Asking makes a kernel from 6.8 on look at once.
   */
  async #waitUntilRunning(port: string, bridge: string): Promise<void> {
    for (let waitedMs = 0; waitedMs < LONGEST_WAIT_MS; waitedMs += POLL_MS) {
      const answers = await this.#socket.askEach([getLink(port), getLink(bridge)]);
      // One that is gone by now does not come into being by waiting.
      if (answers.every((answer) => answer === undefined || parseLink(answer).isRunning)) return;
      await sleep(POLL_MS);
    }
  }

  async #makePair(namespace: NetworkNamespace, endpoint: EndpointRequest, name: string, master: number): Promise<void> {
    const { mac, interfaceName, containerId, endpointId, mtu, isIccEnabled } = endpoint;
    const peer = { namespaceFd: namespace.fd, name: interfaceName, mac };
    const messages = [
      newVeth({ name, master, peer, ...(mtu === undefined ? {} : { mtu }) }),
      changeLink(name, {
        isUp: true,
        alias: this.#names.vethAlias(containerId, endpointId),
        hasNoAutomaticAddress: speaksIpv6(mtu),
        // Where frames go through the rules, a container that goes to its own published port comes back by the port it went.
        port: { isIsolated: !isIccEnabled, isHairpin: isBridgeFiltered() },
      }),
    ];
    const [made, changed] = await this.#socket.send(messages);
    const failed = made?.errno ? made : changed;
    if (failed === undefined || failed.errno === 0) return;
    if (made?.errno === 0) await this.#socket.send([removeLink(name)]);
    // The bridge is what it cannot do without; the kernel has several words for that.
    throw new SystemError('netlink', failed.errno, {}, `connect ${interfaceName} to bridge ${endpoint.bridge}`);
  }
}

async function configure(namespace: NetworkNamespace, inside: NetlinkSocket, endpoint: EndpointRequest): Promise<void> {
  const { interfaceName, ipv4, ipv6, linkLocal = [], sysctls } = endpoint;
  const index = inside.indexOf(interfaceName);
  await prepareInterface(namespace.fd, interfaceName, ipv6 !== undefined, sysctls ?? new Map());
  const addresses = [ipv4, ipv6, ...linkLocal].filter((address) => address !== undefined);
  await inside.request(
    [
      changeLink(interfaceName, { isUp: true }),
      ...addresses.map(({ address, prefix }) => addAddress(index, address, prefix)),
      ...gatewayRoutes(index, endpoint),
    ],
    `configure ${interfaceName}`,
  );
}

/** A gateway outside of the interface's own network is told to be on the link. */
function gatewayRoutes(index: number, { ipv4, ipv6, gateway4, gateway6 }: EndpointRequest): Buffer[] {
  const routes = (gateway: string | undefined, own: InterfaceAddress | undefined) => {
    if (gateway === undefined || own === undefined) return [];
    const link = own.prefix >= (own.address.includes(':') ? 128 : 32) ? [addLinkRoute(index, gateway)] : [];
    return [...link, setDefaultRoute(index, gateway)];
  };
  return [...routes(gateway4, ipv4), ...routes(gateway6, ipv6)];
}

/** The default routes of a namespace: to these, or none. The interface is the one whose network the gateway is in. */
export async function setGateways(
  namespace: NetworkNamespace,
  { gateway4, gateway6 }: { gateway4?: string; gateway6?: string },
): Promise<void> {
  using inside = inNetworkNamespace(namespace.fd, () => NetlinkSocket.open(NETLINK.ROUTE));
  for (const [family, gateway] of [
    [4, gateway4],
    [6, gateway6],
  ] as const) {
    await removeDefaultRoutes(inside, family);
    if (gateway !== undefined)
      await inside.request([await defaultRouteTo(inside, family, gateway)], `route to ${gateway}`);
  }
}

async function removeDefaultRoutes(inside: NetlinkSocket, family: 4 | 6): Promise<void> {
  for (let most = 16; most > 0; most--) {
    const [answer] = await inside.send([removeDefaultRoute(family)]);
    if (answer === undefined || answer.errno !== 0) return;
  }
}

async function defaultRouteTo(inside: NetlinkSocket, family: 4 | 6, gateway: string): Promise<Buffer> {
  const routes = (await inside.dump(listRoutes(family), 'routes')).map(parseRoute);
  const direct = routes.find((route) => route.index !== 0 && route.prefix > 0 && isInside(gateway, route));
  if (direct === undefined) throw new EngineError('system', `route to ${gateway}: no interface is in its network`);
  return setDefaultRoute(direct.index, gateway);
}
