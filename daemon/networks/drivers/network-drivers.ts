// The network drivers that there are, by name. Built in daemon/engine.ts; whoever adds a driver registers it there.
import { EngineError } from '../../errors/engine-error.ts';
import type { NetworkDriver } from './network-driver.ts';

export class NetworkDrivers {
  readonly #drivers: ReadonlyMap<string, NetworkDriver>;

  constructor(drivers: readonly NetworkDriver[]) {
    this.#drivers = new Map(drivers.map((driver) => [driver.name, driver]));
    if (this.#drivers.size < drivers.length) throw new TypeError('two network drivers have one name');
  }

  /** In the order of their registration. */
  get names(): readonly string[] {
    return [...this.#drivers.keys()];
  }

  all(): readonly NetworkDriver[] {
    return [...this.#drivers.values()];
  }

  /** Throws 'not-implemented' for what docker has and this engine has not, 'not-found' for the rest. */
  get(name: string): NetworkDriver {
    const driver = this.#drivers.get(name);
    if (driver !== undefined) return driver;
    if (name === 'overlay') {
      throw new EngineError(
        'not-implemented',
        'network driver overlay: it joins several hosts, and this engine has one: use bridge',
      );
    }
    if (name === 'macvlan' || name === 'ipvlan') {
      throw new EngineError('not-implemented', `network driver ${name}: this engine does not have it: use bridge`);
    }
    throw new EngineError('not-found', `plugin "${name}" not found`);
  }
}
