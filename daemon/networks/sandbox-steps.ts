// What is done in the kernel for one sandbox, step by step: join, leave, publish, names. Each asks the driver of the network; who undoes what,
// and in which order, is the business of Sandboxes.
import type { NetworkDriver } from './drivers/network-driver.ts';
import { type Connection, gatewayConnection, gatewaysFrom, gatewaysOf } from './gateways.ts';
import type { NetworkKernel, NetworkNamespace } from './kernel/network-kernel.ts';
import type { Log } from './log.ts';
import type { Resolvers, SandboxNamespace } from './name-directory.ts';
import type { Sandbox } from './sandbox.ts';
import { writeSandboxFile } from './sandbox-file.ts';

/** Of a container's namespace, whatever is in it. */
export type Namespaces = Pick<NetworkKernel, 'takeNamespace' | 'openNamespaceOf' | 'setGateways'>;

export interface SandboxStepParts {
  kernel: Namespaces;
  resolvers: Resolvers;
  log: Log;
}

export type Undo = (() => void | Promise<void>)[];

export class SandboxSteps {
  readonly #parts: SandboxStepParts;

  constructor(parts: SandboxStepParts) {
    this.#parts = parts;
  }

  join(namespace: NetworkNamespace, sandbox: Sandbox, connection: Connection): Promise<void> {
    const { entry, endpoint } = connection;
    const gateways = gatewaysFrom(sandbox.connections, connection);
    return entry.driver.join(namespace, { record: entry.record, endpoint, gateways });
  }

  /** A container that goes on. */
  leave({ entry, endpoint }: Connection, pid: number): Promise<void> {
    return entry.driver.leave(endpoint, { hasEnded: false, open: () => this.#parts.kernel.openNamespaceOf(pid) });
  }

  /** `isShared`: another running container has joined its namespace. */
  leaveEnded({ entry, endpoint }: Connection, isShared: boolean): Promise<void> {
    return entry.driver.leave(endpoint, { hasEnded: !isShared });
  }

  isGateway({ connections }: Sandbox, connection: Connection): boolean {
    return ([4, 6] as const).some((family) => gatewayConnection(connections, family) === connection);
  }

  async setGateways(sandbox: Sandbox, pid: number): Promise<void> {
    using namespace = this.#parts.kernel.openNamespaceOf(pid);
    await this.#parts.kernel.setGateways(namespace, gatewaysOf(sandbox.connections));
  }

  async publish(sandbox: Sandbox): Promise<void> {
    const { wantedPorts } = sandbox.owner;
    const target = sandbox.portConnection;
    if (wantedPorts.length === 0 || target?.entry.driver.ports === undefined) return;
    const { driver, record } = target.entry;
    sandbox.ports = await target.entry.driver.ports.publish(record, target.endpoint, wantedPorts);
    sandbox.publisher = driver;
    this.note(sandbox);
  }

  async unpublish(sandbox: Sandbox): Promise<void> {
    const { ports, publisher } = sandbox;
    if (ports.length === 0) return;
    await publisher?.ports?.unpublish(ports);
    sandbox.ports = [];
  }

  async startResolver(sandbox: Sandbox, namespace: SandboxNamespace): Promise<void> {
    await this.#parts.resolvers.start(sandbox.owner.containerId, namespace, sandbox.resolverSettings());
    sandbox.hasResolver = true;
  }

  updateResolver(sandbox: Sandbox): void {
    this.#parts.resolvers.update(sandbox.owner.containerId, sandbox.resolverSettings());
  }

  stopResolver(sandbox: Sandbox): void {
    if (sandbox.hasResolver) this.#parts.resolvers.stop(sandbox.owner.containerId);
    sandbox.hasResolver = false;
  }

  /** For the next daemon. */
  note(sandbox: Sandbox): void {
    writeSandboxFile(sandbox.owner.runDir, sandbox.record());
  }

  async heal(driver: NetworkDriver, state: Parameters<NetworkDriver['heal']>[0]): Promise<void> {
    const { log } = this.#parts;
    try {
      const { repaired, failed } = await driver.heal(state);
      for (const what of repaired) log.info({ what }, 'networks: repaired');
      for (const what of failed) log.warn({ what }, 'cannot repair a part of the networks: it is not as it was');
    } catch (error) {
      log.error({ err: error, driver: driver.name }, 'cannot heal the networks: what runs may have lost its network');
    }
  }

  async undo(steps: Undo): Promise<void> {
    for (const step of steps.reverse()) {
      try {
        await step();
      } catch (error) {
        this.#parts.log.warn(
          { err: error },
          'cannot undo a change of a network: what it left is collected at the next start',
        );
      }
    }
  }

  /** For steps whose failure must not keep the rest from being done: what they leave is collected at the next start. */
  async attempt(sandbox: Sandbox, work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#parts.log.warn(
        { err: error, container: sandbox.owner.containerId, name: sandbox.owner.containerName },
        'a change of the network of a container failed: what it leaves is collected at the next start',
      );
    }
  }
}
