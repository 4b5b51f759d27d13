// "host" and "null": one network of each, on which containers have no interface of the engine's. Who is on them is noted, and that is all:
// what namespace a container has is decided by its mode.
import type { NetworkDriver } from './network-driver.ts';

export const hostDriver = fixedDriver('host', 'host');
export const nullDriver = fixedDriver('null', 'none');

function fixedDriver(name: string, only: string): NetworkDriver {
  return {
    name,
    only,
    plan: () => ({ hasAddresses: false }),
    interfaces: () => undefined,
    ensure: async () => undefined,
    isMade: () => false,
    remove: async () => undefined,
    join: async () => undefined,
    leave: async () => undefined,
    heal: async () => ({ repaired: [], failed: [] }),
  };
}
