// The host's routes as subnets that pools stay clear of.
import { parseSubnet, type Subnet } from '../protocols/addresses/ip-address.ts';
import type { HostRoute } from './kernel/network-kernel.ts';

/** Routes over `own` interfaces are the engine's; half the address space is a default route in disguise (VPNs make such). */
export function hostSubnets(routes: readonly HostRoute[], own: ReadonlySet<string | undefined>): Subnet[] {
  return routes
    .filter(({ interfaceName }) => !own.has(interfaceName))
    .map(({ destination }) => parseSubnet(destination))
    .filter((subnet) => subnet !== undefined)
    .filter(({ prefix }) => prefix > 1);
}
