// Containers' share of the network while they run: begun before the first process, changed by connect and disconnect, ended with the run,
// taken over at the daemon's start. Every step has its undo; addresses are reserved and noted before the kernel is asked.
import { randomBytes } from 'node:crypto';
import type { DriverState, NetworkDriver } from './drivers/network-driver.ts';
import type { NetworkDrivers } from './drivers/network-drivers.ts';
import type { EndpointState } from './endpoint.ts';
import { plainEndpoint } from './endpoint-config.ts';
import { type Connection, gatewaysFrom, gatewaysOf } from './gateways.ts';
import type { NetworkNamespace } from './kernel/network-kernel.ts';
import type { PublishedPort } from './kernel/published-port.ts';
import type { NetworkEntry } from './network-entry.ts';
import { type Attachment, Sandbox, type SandboxOwner } from './sandbox.ts';
import { readSandboxFile } from './sandbox-file.ts';
import { type SandboxStepParts, SandboxSteps, type Undo } from './sandbox-steps.ts';

export interface SandboxParts extends SandboxStepParts {
  drivers: NetworkDrivers;
}

/** What a daemon finds at its start, beside what should be: a change was cut short, or the note is damaged. */
export interface AdoptedSandbox {
  sandbox: Sandbox;
  /** Networks that it shall be on and of which nothing is noted. */
  missing: Attachment[];
  /** Noted, and no longer wanted. */
  stale: EndpointState[];
}

export class Sandboxes {
  readonly #parts: SandboxParts;
  readonly #steps: SandboxSteps;
  readonly #running = new Map<string, Sandbox>();
  readonly #healed = Promise.withResolvers<void>();

  constructor(parts: SandboxParts) {
    this.#parts = parts;
    this.#steps = new SandboxSteps(parts);
  }

  of(containerId: string): Sandbox | undefined {
    return this.#running.get(containerId);
  }

  all(): Iterable<Sandbox> {
    return this.#running.values();
  }

  connections(containerId: string): readonly Connection[] {
    return this.#running.get(containerId)?.connections ?? [];
  }

  /** Addresses are known from here on, and nothing is in the kernel yet. Throws docker's errors; then nothing is reserved. */
  reserve(owner: SandboxOwner, attachments: readonly Attachment[]): Sandbox {
    const sandbox = new Sandbox(owner, newId());
    try {
      for (const attachment of attachments) this.#reserve(sandbox, attachment);
      this.#running.set(owner.containerId, sandbox);
      if (sandbox.joined.length > 0) this.#steps.note(sandbox);
    } catch (error) {
      this.#forget(sandbox);
      throw error;
    }
    return sandbox;
  }

  /** The kernel's part. The caller closes the namespace when the first process is in it, and on a throw ends the sandbox. */
  async build(sandbox: Sandbox): Promise<NetworkNamespace> {
    await this.#healed.promise;
    const namespace = await this.#parts.kernel.takeNamespace();
    try {
      for (const connection of sandbox.joined) await this.#steps.join(namespace, sandbox, connection);
      await this.#steps.publish(sandbox);
      if (sandbox.isOnUserNetwork) await this.#steps.startResolver(sandbox, { fd: namespace.fd });
      return namespace;
    } catch (error) {
      namespace[Symbol.dispose]();
      throw error;
    }
  }

  /** Also when the container has none. `isShared`: another running container has joined its namespace. */
  async end(containerId: string, isShared: boolean): Promise<void> {
    const sandbox = this.#running.get(containerId);
    if (sandbox === undefined) return;
    try {
      this.#steps.stopResolver(sandbox);
      await this.#steps.attempt(sandbox, () => this.#steps.unpublish(sandbox));
      for (const connection of sandbox.joined) {
        await this.#steps.attempt(sandbox, () => this.#steps.leaveEnded(connection, isShared));
      }
    } finally {
      this.#forget(sandbox);
    }
  }

  /** One more network for a running container. Throws docker's errors; then all is as before. */
  async connect(sandbox: Sandbox, pid: number, attachment: Attachment): Promise<Connection> {
    await this.#healed.promise;
    const connection = this.#reserve(sandbox, attachment);
    if (attachment.entry.interfaces === undefined) return connection;
    const undo: Undo = [() => this.#drop(sandbox, connection)];
    try {
      this.#steps.note(sandbox);
      using namespace = this.#parts.kernel.openNamespaceOf(pid);
      await this.#steps.join(namespace, sandbox, connection);
      undo.push(() => this.#steps.leave(connection, pid));
      if (this.#steps.isGateway(sandbox, connection)) {
        await this.#parts.kernel.setGateways(namespace, gatewaysOf(sandbox.connections));
      }
      if (sandbox.ports.length === 0) {
        await this.#steps.publish(sandbox);
        undo.push(() => this.#steps.unpublish(sandbox));
      }
      if (sandbox.hasResolver) this.#steps.updateResolver(sandbox);
      // By the namespace, not the pid: the process may end meanwhile.
      else if (sandbox.isOnUserNetwork) await this.#steps.startResolver(sandbox, { fd: namespace.fd });
      return connection;
    } catch (error) {
      await this.#steps.undo(undo);
      this.#steps.note(sandbox);
      throw error;
    }
  }

  async disconnect(sandbox: Sandbox, pid: number, connection: Connection): Promise<void> {
    if (connection.entry.interfaces === undefined) {
      this.#drop(sandbox, connection);
      return;
    }
    const hadPorts = sandbox.hasPortsOn(connection);
    const wasGateway = this.#steps.isGateway(sandbox, connection);
    if (hadPorts) await this.#steps.unpublish(sandbox);
    await this.#steps.leave(connection, pid);
    this.#drop(sandbox, connection);
    this.#steps.note(sandbox);
    if (wasGateway) await this.#steps.setGateways(sandbox, pid);
    if (hadPorts) await this.#steps.publish(sandbox);
    if (!sandbox.hasResolver) return;
    if (sandbox.isOnUserNetwork) this.#steps.updateResolver(sandbox);
    else this.#steps.stopResolver(sandbox);
  }

  rename(containerId: string, name: string): void {
    const sandbox = this.#running.get(containerId);
    if (sandbox === undefined) return;
    sandbox.owner.containerName = name;
    for (const { entry } of sandbox.connections) entry.rename(containerId, name);
  }

  /**
   * At the daemon's start, for a container that runs: takes what an earlier daemon noted. Of a container without a note nothing is known, so
   * nothing differs. Never throws because of what the note says.
   */
  adopt(owner: SandboxOwner, attachments: readonly Attachment[]): AdoptedSandbox {
    const known = this.#running.get(owner.containerId);
    if (known !== undefined) return { sandbox: known, missing: [], stale: [] };
    const { log } = this.#parts;
    const note = readSandboxFile(owner.runDir);
    for (const what of note?.damaged ?? []) {
      log.warn(
        { container: owner.containerId, name: owner.containerName, what },
        'the note about the network of a running container is damaged: what is missing is made anew',
      );
    }
    const sandbox = new Sandbox(owner, note?.record.sandboxId || newId());
    this.#running.set(owner.containerId, sandbox);
    const missing: Attachment[] = [];
    for (const attachment of attachments) {
      const { entry, config } = attachment;
      const state = note?.record.endpoints.find(({ networkId }) => networkId === entry.record.id);
      try {
        if (state !== undefined) sandbox.connections.push({ entry, endpoint: entry.adopt(config, owner, state) });
        else if (entry.interfaces === undefined) this.#reserve(sandbox, attachment);
        else if (note !== undefined) missing.push(attachment);
      } catch (error) {
        log.warn(
          { err: error, container: owner.containerId, name: owner.containerName, network: entry.record.name },
          'cannot take over a network of a running container: it goes on without it',
        );
      }
    }
    const isAdopted = ({ endpointId }: EndpointState) =>
      sandbox.connections.some(({ endpoint }) => endpoint.endpointId === endpointId);
    // Ports of an endpoint that is not there lead nowhere; they are published again with the next.
    const leadsTo = (port: PublishedPort) =>
      sandbox.connections.find(({ endpoint: { ipv4, ipv6 } }) => [ipv4, ipv6].includes(port.containerIp));
    sandbox.ports = (note?.record.ports ?? []).filter(
      (port) => port.containerId === owner.containerId && leadsTo(port) !== undefined,
    );
    sandbox.publisher = sandbox.ports.map(leadsTo)[0]?.entry.driver;
    return { sandbox, missing, stale: (note?.record.endpoints ?? []).filter((state) => !isAdopted(state)) };
  }

  /** A container that runs and that no record tells of: what it has stays, and its addresses are nobody else's. `find` looks a network up. */
  adoptUnknown(owner: SandboxOwner, find: (networkId: string) => NetworkEntry | undefined): void {
    const attachments = (readSandboxFile(owner.runDir)?.record.endpoints ?? []).flatMap(({ networkId }) => {
      const entry = find(networkId);
      return entry === undefined ? [] : [{ entry, config: plainEndpoint(entry.record.name) }];
    });
    if (attachments.length > 0) this.adopt(owner, attachments);
  }

  /** After `heal`, for what `adopt` found to differ: the kernel has taken away the stale ones by then, and what hung on them is put right. */
  async settle({ sandbox, missing, stale }: AdoptedSandbox, pid: number): Promise<Connection[]> {
    const made: Connection[] = [];
    for (const attachment of missing) {
      await this.#steps.attempt(sandbox, async () => void made.push(await this.connect(sandbox, pid, attachment)));
    }
    if (stale.length === 0) return made;
    await this.#steps.attempt(sandbox, async () => {
      if (sandbox.joined.length > 0) await this.#steps.setGateways(sandbox, pid);
      if (sandbox.ports.length === 0) await this.#steps.publish(sandbox);
      this.#steps.note(sandbox);
    });
    return made;
  }

  /**
   * Before anything is started: brings the kernel to what is noted. `made` are networks that are there though nobody is on them, `pids` those
   * of the containers that were adopted.
   */
  async heal(made: readonly NetworkEntry[], pids: ReadonlyMap<string, number>): Promise<void> {
    for (const driver of this.#parts.drivers.all()) await this.#steps.heal(driver, this.#desired(driver, made, pids));
    for (const [containerId, pid] of pids) {
      const sandbox = this.#running.get(containerId);
      if (sandbox?.isOnUserNetwork)
        await this.#steps.attempt(sandbox, () => this.#steps.startResolver(sandbox, { pid }));
    }
    this.#healed.resolve();
  }

  #desired(driver: NetworkDriver, made: readonly NetworkEntry[], pids: ReadonlyMap<string, number>): DriverState {
    const networks = new Set(made.filter((entry) => entry.driver === driver).map(({ record }) => record));
    const endpoints: DriverState['endpoints'][number][] = [];
    const ports: PublishedPort[] = [];
    for (const sandbox of this.#running.values()) {
      const pid = pids.get(sandbox.owner.containerId);
      if (sandbox.publisher === driver) ports.push(...sandbox.ports);
      for (const connection of sandbox.joined) {
        const { entry, endpoint } = connection;
        if (entry.driver !== driver) continue;
        networks.add(entry.record);
        const gateways = gatewaysFrom(sandbox.connections, connection);
        if (pid !== undefined) endpoints.push({ record: entry.record, endpoint, gateways, pid });
      }
    }
    return { networks: [...networks], endpoints, ports };
  }

  #reserve(sandbox: Sandbox, { entry, config }: Attachment): Connection {
    const prefix = entry.interfaces?.prefix ?? 'eth';
    const endpoint = entry.reserve(config, sandbox.owner, sandbox.freeInterfaceName(config, prefix));
    const connection = { entry, endpoint };
    sandbox.connections.push(connection);
    return connection;
  }

  #drop(sandbox: Sandbox, connection: Connection): void {
    connection.entry.release(connection.endpoint);
    const at = sandbox.connections.indexOf(connection);
    if (at >= 0) sandbox.connections.splice(at, 1);
  }

  #forget(sandbox: Sandbox): void {
    for (const { entry, endpoint } of sandbox.connections) entry.release(endpoint);
    sandbox.connections.length = 0;
    if (this.#running.get(sandbox.owner.containerId) === sandbox) this.#running.delete(sandbox.owner.containerId);
  }
}

function newId(): string {
  return randomBytes(32).toString('hex');
}
