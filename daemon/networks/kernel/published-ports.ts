// Ports that are published: bound, held by the port keeper, and elements of the firewall, all three or none.
import { familyOf } from '../../protocols/addresses/address-bytes.ts';
import type { Firewall } from './firewall.ts';
import { portElements } from './firewall-elements.ts';
import type { HealReport } from './network-kernel.ts';
import { addressAndPort, portKey } from './plan-ports.ts';
import type { PortKeeper } from './port-keeper.ts';
import { type BoundPort, bindAgain, bindPorts } from './port-sockets.ts';
import type { PublishedPort, PublishRequest } from './published-port.ts';
import type { TrackedConnections } from './tracked-connections.ts';

const portsAtOnce = 64;

export class PublishedPorts {
  readonly #keeper: PortKeeper;
  readonly #firewall: Firewall;
  readonly #tracked: TrackedConnections;
  readonly #ports = new Map<string, PublishedPort>();

  constructor(keeper: PortKeeper, firewall: Firewall, tracked: TrackedConnections) {
    this.#keeper = keeper;
    this.#firewall = firewall;
    this.#tracked = tracked;
  }

  async publish(request: PublishRequest): Promise<PublishedPort[]> {
    if (request.ports.length === 0) return [];
    const bound = bindPorts(request, this.#ports.values());
    const ports = bound.map(({ port }) => port);
    // Taken from now on: nobody else is to be told that they are free.
    for (const port of ports) this.#ports.set(portKey(port), port);
    try {
      await this.#hold(bound);
      await this.#firewall.apply({ add: ports.flatMap(portElements) });
    } catch (error) {
      await this.#letGo(ports).catch(() => undefined);
      throw error;
    } finally {
      for (const entry of bound) entry[Symbol.dispose]();
    }
    for (const port of ports) if (port.protocol === 'udp') this.#tracked.forgetDatagramsTo(port.hostPort);
    return ports;
  }

  async unpublish(ports: readonly PublishedPort[]): Promise<void> {
    const known = ports.filter((port) => this.#ports.get(portKey(port))?.containerId === port.containerId);
    if (known.length === 0) return;
    try {
      await this.#firewall.apply({ remove: known.flatMap(portElements) });
    } finally {
      await this.#letGo(known);
    }
  }

  /** What should be published, after a start: the keeper may hold it still, or it is bound again. Elements are the caller's part. */
  async heal(desired: readonly PublishedPort[]): Promise<HealReport> {
    const report: HealReport = { repaired: [], failed: [] };
    const wanted = new Map(desired.map((port) => [portKey(port), port]));
    this.#ports.clear();
    let held: Map<string, PublishedPort>;
    try {
      held = new Map((await this.#keeper.list()).map((port) => [portKey(port), port]));
    } catch (error) {
      // It is there and holds them, for all that is known; the firewall leads to the containers without it.
      report.failed.push(`published ports: ${error instanceof Error ? error.message : error}`);
      for (const [key, port] of wanted) this.#ports.set(key, port);
      return report;
    }
    for (const [key, port] of held) {
      if (isSame(port, wanted.get(key))) continue;
      await this.#keeper.remove(port);
      report.repaired.push(`port ${describe(port)} is free again`);
    }
    for (const [key, port] of wanted) {
      if (!isSame(port, held.get(key)) && !(await this.#reclaim(port, report))) continue;
      this.#ports.set(key, port);
    }
    return report;
  }

  /** The keeper was killed: its sockets are bound again in another one. */
  async restore(): Promise<HealReport> {
    const report: HealReport = { repaired: [], failed: [] };
    for (const port of [...this.#ports.values()]) await this.#reclaim(port, report);
    return report;
  }

  elements(): ReturnType<typeof portElements> {
    return [...this.#ports.values()].flatMap(portElements);
  }

  async #reclaim(port: PublishedPort, report: HealReport): Promise<boolean> {
    try {
      using bound = bindAgain(port);
      await this.#keeper.add(port, bound.fd);
      report.repaired.push(`port ${describe(port)} is bound again`);
      return true;
    } catch (error) {
      report.failed.push(
        `port ${describe(port)} of container ${port.containerId}: ${error instanceof Error ? error.message : error}`,
      );
      return false;
    }
  }

  async #hold(bound: readonly BoundPort[]): Promise<void> {
    await inTurns(bound, ({ port, fd }) => this.#keeper.add(port, fd));
  }

  async #letGo(ports: readonly PublishedPort[]): Promise<void> {
    try {
      await inTurns(ports, (port) => this.#keeper.remove(port));
    } finally {
      for (const port of ports) this.#ports.delete(portKey(port));
    }
  }
}

/** Some at once: each takes a descriptor on its way, and a range may have thousands. All are tried; throws the first failure. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let failed: PromiseRejectedResult | undefined;
  for (let at = 0; at < items.length; at += portsAtOnce) {
    const results = await Promise.allSettled(items.slice(at, at + portsAtOnce).map(work));
    failed ??= results.find((result) => result.status === 'rejected');
  }
  if (failed !== undefined) throw failed.reason;
}

function isSame(a: PublishedPort, b: PublishedPort | undefined): boolean {
  return (
    b !== undefined &&
    a.containerId === b.containerId &&
    a.containerIp === b.containerIp &&
    a.containerPort === b.containerPort &&
    familyOf(a.hostIp) === familyOf(b.hostIp)
  );
}

function describe({ hostIp, hostPort, protocol }: PublishedPort): string {
  return `${addressAndPort(hostIp, hostPort)}/${protocol}`;
}
