// Containers' share of the network while they run: begun before the first process, changed by connect and disconnect, ended with the run,
// taken over at the daemon's start. Every step has its undo; addresses are reserved and noted before the kernel is asked.
import { randomBytes } from 'node:crypto';
import type { Bridges } from './bridges.ts';
import type { EndpointState } from './endpoint.ts';
import { plainEndpoint } from './endpoint-config.ts';
import { type Connection, gatewayConnection, gatewaysOf } from './gateways.ts';
import type { DesiredState, NetworkKernel, NetworkNamespace } from './kernel/network-kernel.ts';
import { bridgeRequest, endpointRequest } from './kernel-requests.ts';
import type { Log } from './log.ts';
import type { Resolvers } from './name-directory.ts';
import { gatewayOf, type NetworkEntry } from './network-entry.ts';
import { type Attachment, Sandbox, type SandboxOwner } from './sandbox.ts';
import { readSandboxFile, writeSandboxFile } from './sandbox-file.ts';

export interface SandboxParts {
  kernel: NetworkKernel;
  bridges: Bridges;
  resolvers: Resolvers;
  log: Log;
}

/** What a daemon finds at its start, beside what should be: a change was cut short, or the note is damaged. */
export interface AdoptedSandbox {
  sandbox: Sandbox;
  /** Networks that it shall be on and of which nothing is noted. */
  missing: Attachment[];
  /** Noted, and no longer wanted. */
  stale: EndpointState[];
}

type Undo = (() => void | Promise<void>)[];

export class Sandboxes {
  readonly #parts: SandboxParts;
  readonly #running = new Map<string, Sandbox>();
  readonly #healed = Promise.withResolvers<void>();

  constructor(parts: SandboxParts) {
    this.#parts = parts;
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
      if (sandbox.isOnBridge) writeSandboxFile(owner.runDir, sandbox.record());
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
      for (const connection of sandbox.bridged) await this.#attach(namespace, sandbox, connection);
      await this.#publish(sandbox);
      if (sandbox.isOnUserNetwork) await this.#startResolver(sandbox, { fd: namespace.fd });
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
      this.#stopResolver(sandbox);
      await this.#attempt(sandbox, () => this.#unpublish(sandbox));
      for (const connection of sandbox.bridged) {
        await this.#attempt(sandbox, () => this.#detach(connection, !isShared));
      }
    } finally {
      this.#forget(sandbox);
    }
  }

  /** One more network for a running container. Throws docker's errors; then all is as before. */
  async connect(sandbox: Sandbox, pid: number, attachment: Attachment): Promise<Connection> {
    await this.#healed.promise;
    const connection = this.#reserve(sandbox, attachment);
    if (attachment.entry.record.bridge === undefined) return connection;
    const undo: Undo = [() => this.#drop(sandbox, connection)];
    try {
      writeSandboxFile(sandbox.owner.runDir, sandbox.record());
      using namespace = this.#parts.kernel.openNamespaceOf(pid);
      await this.#attach(namespace, sandbox, connection);
      undo.push(() => this.#detach(connection, false));
      if (this.#isGateway(sandbox, connection)) {
        await this.#parts.kernel.setGateways(namespace, gatewaysOf(sandbox.connections));
      }
      if (sandbox.ports.length === 0) await this.#publish(sandbox);
      if (sandbox.hasResolver) this.#parts.resolvers.update(sandbox.owner.containerId, sandbox.resolverSettings());
      // By the namespace, not the pid: the process may end meanwhile.
      else if (sandbox.isOnUserNetwork) await this.#startResolver(sandbox, { fd: namespace.fd });
      return connection;
    } catch (error) {
      await this.#undo(undo);
      writeSandboxFile(sandbox.owner.runDir, sandbox.record());
      throw error;
    }
  }

  async disconnect(sandbox: Sandbox, pid: number, connection: Connection): Promise<void> {
    const { kernel, resolvers } = this.#parts;
    if (connection.entry.record.bridge === undefined) {
      this.#drop(sandbox, connection);
      return;
    }
    const hadPorts = sandbox.hasPortsOn(connection);
    const wasGateway = this.#isGateway(sandbox, connection);
    if (hadPorts) await this.#unpublish(sandbox);
    await this.#detach(connection, false);
    this.#drop(sandbox, connection);
    writeSandboxFile(sandbox.owner.runDir, sandbox.record());
    if (wasGateway) {
      using namespace = kernel.openNamespaceOf(pid);
      await kernel.setGateways(namespace, gatewaysOf(sandbox.connections));
    }
    if (hadPorts) await this.#publish(sandbox);
    if (!sandbox.hasResolver) return;
    if (sandbox.isOnUserNetwork) resolvers.update(sandbox.owner.containerId, sandbox.resolverSettings());
    else this.#stopResolver(sandbox);
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
        { container: owner.containerId, what },
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
        else if (entry.record.bridge === undefined) this.#reserve(sandbox, attachment);
        else if (note !== undefined) missing.push(attachment);
      } catch (error) {
        log.warn({ err: error, container: owner.containerId, network: entry.record.name }, 'take over a network');
      }
    }
    const isAdopted = ({ endpointId }: EndpointState) =>
      sandbox.connections.some(({ endpoint }) => endpoint.endpointId === endpointId);
    // Ports of an endpoint that is not there lead nowhere; they are published again with the next.
    sandbox.ports = (note?.record.ports ?? []).filter(
      (port) =>
        port.containerId === owner.containerId &&
        sandbox.connections.some(({ endpoint: { ipv4, ipv6 } }) => [ipv4, ipv6].includes(port.containerIp)),
    );
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
      await this.#attempt(sandbox, async () => void made.push(await this.connect(sandbox, pid, attachment)));
    }
    if (stale.length === 0) return made;
    await this.#attempt(sandbox, async () => {
      if (sandbox.bridged.length > 0) {
        using namespace = this.#parts.kernel.openNamespaceOf(pid);
        await this.#parts.kernel.setGateways(namespace, gatewaysOf(sandbox.connections));
      }
      if (sandbox.ports.length === 0) await this.#publish(sandbox);
      writeSandboxFile(sandbox.owner.runDir, sandbox.record());
    });
    return made;
  }

  /** Before anything is started: brings the kernel to what is noted. `pids` of the containers that were adopted. */
  async heal(bridges: DesiredState['bridges'], pids: ReadonlyMap<string, number>): Promise<void> {
    const { kernel, log } = this.#parts;
    try {
      const { repaired, failed } = await kernel.heal(this.desired(bridges, pids));
      for (const what of repaired) log.info({ what }, 'networks: repaired');
      for (const what of failed) log.warn({ what }, 'networks: not as it was');
    } catch (error) {
      log.error({ err: error }, 'heal the networks: what runs may have lost its network');
    }
    for (const [containerId, pid] of pids) {
      const sandbox = this.#running.get(containerId);
      if (sandbox?.isOnUserNetwork) await this.#attempt(sandbox, () => this.#startResolver(sandbox, { pid }));
    }
    this.#healed.resolve();
  }

  desired(bridges: DesiredState['bridges'], pids: ReadonlyMap<string, number>): DesiredState {
    const used = new Map(bridges.map((bridge) => [bridge.networkId, bridge]));
    const endpoints: { endpoint: ReturnType<typeof endpointRequest>; pid: number }[] = [];
    for (const sandbox of this.#running.values()) {
      const pid = pids.get(sandbox.owner.containerId);
      for (const connection of sandbox.bridged) {
        const { record } = connection.entry;
        used.set(record.id, bridgeRequest(record));
        if (pid !== undefined) endpoints.push({ endpoint: this.#endpointRequest(sandbox, connection), pid });
      }
    }
    const ports = [...this.#running.values()].flatMap((sandbox) => [...sandbox.ports]);
    return { bridges: [...used.values()], endpoints, ports };
  }

  #reserve(sandbox: Sandbox, { entry, config }: Attachment): Connection {
    const prefix = entry.record.bridge?.interfacePrefix ?? 'eth';
    const endpoint = entry.reserve(config, sandbox.owner, sandbox.freeInterfaceName(config, prefix));
    const connection = { entry, endpoint };
    sandbox.connections.push(connection);
    return connection;
  }

  async #attach(namespace: NetworkNamespace, sandbox: Sandbox, connection: Connection): Promise<void> {
    const { kernel, bridges } = this.#parts;
    const request = this.#endpointRequest(sandbox, connection);
    await bridges.ensure(connection.entry);
    await kernel.attach(namespace, request);
  }

  /** With the default routes that are this endpoint's to provide. */
  #endpointRequest(sandbox: Sandbox, connection: Connection) {
    const { record } = connection.entry;
    const is = (family: 4 | 6) => gatewayConnection(sandbox.connections, family) === connection;
    const gateway4 = is(4) ? gatewayOf(record, 4) : undefined;
    const gateway6 = is(6) ? gatewayOf(record, 6) : undefined;
    return endpointRequest(record, connection.endpoint, {
      ...(gateway4 === undefined ? {} : { gateway4 }),
      ...(gateway6 === undefined ? {} : { gateway6 }),
    });
  }

  #isGateway({ connections }: Sandbox, connection: Connection): boolean {
    return ([4, 6] as const).some((family) => gatewayConnection(connections, family) === connection);
  }

  #detach({ endpoint }: Connection, hasEnded: boolean): Promise<void> {
    return this.#parts.kernel.detach({
      endpointId: endpoint.endpointId,
      containerId: endpoint.containerId,
      ...(endpoint.ipv4 === undefined ? {} : { ipv4: endpoint.ipv4 }),
      ...(endpoint.ipv6 === undefined ? {} : { ipv6: endpoint.ipv6 }),
      hasEnded,
    });
  }

  async #publish(sandbox: Sandbox): Promise<void> {
    const { wantedPorts, containerId, containerName, runDir } = sandbox.owner;
    const target = sandbox.portConnection;
    if (wantedPorts.length === 0 || target === undefined) return;
    const { entry, endpoint } = target;
    const hostIp = entry.record.bridge?.hostIp ?? '';
    sandbox.ports = await this.#parts.kernel.publish({
      containerId,
      containerName,
      endpointId: endpoint.endpointId,
      bridge: entry.record.bridge?.name ?? '',
      ...(endpoint.ipv4 === undefined ? {} : { ipv4: endpoint.ipv4 }),
      ...(endpoint.ipv6 === undefined ? {} : { ipv6: endpoint.ipv6 }),
      ports: wantedPorts.map((port) => ({ ...port, hostIp: port.hostIp || hostIp })),
    });
    writeSandboxFile(runDir, sandbox.record());
  }

  async #unpublish(sandbox: Sandbox): Promise<void> {
    const { ports } = sandbox;
    if (ports.length === 0) return;
    await this.#parts.kernel.unpublish(ports);
    sandbox.ports = [];
  }

  async #startResolver(sandbox: Sandbox, namespace: { fd: number } | { pid: number }): Promise<void> {
    await this.#parts.resolvers.start(sandbox.owner.containerId, namespace, sandbox.resolverSettings());
    sandbox.hasResolver = true;
  }

  #stopResolver(sandbox: Sandbox): void {
    if (sandbox.hasResolver) this.#parts.resolvers.stop(sandbox.owner.containerId);
    sandbox.hasResolver = false;
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

  async #undo(steps: Undo): Promise<void> {
    for (const step of steps.reverse()) {
      try {
        await step();
      } catch (error) {
        this.#parts.log.warn({ err: error }, 'undo a change of a network');
      }
    }
  }

  /** For steps whose failure must not keep the rest from being done: what they leave is collected at the next start. */
  async #attempt(sandbox: Sandbox, work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#parts.log.warn({ err: error, container: sandbox.owner.containerId }, 'a change of the network of a run');
    }
  }
}

function newId(): string {
  return randomBytes(32).toString('hex');
}
