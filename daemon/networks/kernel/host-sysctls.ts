// Settings below /proc/sys/net: what bridges need of the host, and what an interface in a container's namespace gets. Some of them wait for
// the kernel's lock of all interfaces, spinning: so they are opened here, which decides in which namespace, and written in libuv's pool.
import { closeSync, existsSync, openSync, readFileSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { inNetworkNamespace } from '../../../native-bindings/namespaces.ts';
import type { BridgeRequest, HostForwarding } from './network-kernel.ts';

const NET = '/proc/sys/net';

/** undefined: the kernel has no such setting. */
function read(path: string): string | undefined {
  try {
    return readFileSync(`${NET}/${path}`, 'latin1').trim();
  } catch {
    return undefined;
  }
}

const writeAside = promisify(write);

/** A setting that is to be changed, of the namespace in which it was opened. */
interface OpenSysctl {
  fd: number;
  value: string;
}

/** undefined when it has the value already: on some hosts /proc/sys is read-only and set up by the administrator. */
function openToChange(path: string, value: string): OpenSysctl | undefined {
  const now = read(path);
  if (now === undefined || now === value) return undefined;
  return { fd: openSync(`${NET}/${path}`, 'w'), value };
}

async function change(settings: readonly (OpenSysctl | undefined)[]): Promise<void> {
  try {
    for (const setting of settings) if (setting !== undefined) await writeAside(setting.fd, setting.value);
  } finally {
    for (const setting of settings) if (setting !== undefined) closeSync(setting.fd);
  }
}

/**
 * Forwarding for the families that the bridge has. Returns what was changed and what the administrator should know of it. Throws what
 * writing throws, which is EROFS where the settings are somebody else's.
 */
export async function ensureForwarding({ ipv6 }: Pick<BridgeRequest, 'ipv6'>): Promise<string[]> {
  const warnings: string[] = [];
  const ipv4Setting = openToChange('ipv4/ip_forward', '1');
  const ipv6Setting = ipv6 === undefined ? undefined : openToChange('ipv6/conf/all/forwarding', '1');
  await change([ipv4Setting, ipv6Setting]);
  if (ipv4Setting !== undefined) {
    warnings.push('net.ipv4.ip_forward was off and is on now: the host forwards between its other interfaces as well');
  }
  if (ipv6Setting !== undefined) {
    warnings.push(
      'net.ipv6.conf.all.forwarding was off and is on now: interfaces whose accept_ra is 1 no longer take router advertisements',
    );
  }
  return warnings;
}

/**
 * Of a bridge: loopback addresses are routed to it (the firewall lets only the host do that). One of the engine's making is configured by
 * nobody else, and speaks IPv6 only if it has an address of it; of somebody else's bridge nothing more is changed.
 */
export function prepareBridge(
  { name, ipv4, ipv6 }: Pick<BridgeRequest, 'name' | 'ipv4' | 'ipv6'>,
  isOurs: boolean,
): Promise<void> {
  return change([
    ipv4 === undefined ? undefined : openToChange(`ipv4/conf/${name}/route_localnet`, '1'),
    isOurs ? openToChange(`ipv6/conf/${name}/accept_ra`, '0') : undefined,
    // Neighbours are asked for from the link-local address: while it is checked for a double, two seconds, nothing could be forwarded.
    isOurs ? openToChange(`ipv6/conf/${name}/accept_dad`, '0') : undefined,
    isOurs ? openToChange(`ipv6/conf/${name}/disable_ipv6`, ipv6 === undefined ? '1' : '0') : undefined,
  ]);
}

/** RFC 8200, section 5: below it the kernel has nothing of IPv6 for an interface, and knows no setting of it. */
const leastIpv6Mtu = 1280;

/** Whether an interface of this MTU has settings of IPv6; a kernel may be without it (ipv6.disable=1). */
export function speaksIpv6(mtu = 1500): boolean {
  return mtu >= leastIpv6Mtu && existsSync(`${NET}/ipv6`);
}

/** Whether frames between ports of a bridge go through the rules for packets as well. */
export function isBridgeFiltered(): boolean {
  return read('bridge/bridge-nf-call-iptables') === '1' || read('bridge/bridge-nf-call-ip6tables') === '1';
}

/**
 * Of an interface in a container's namespace, before it is up: without an address of IPv6 it does not speak IPv6 at all, so that no
 * neighbour's router advertisement configures it. `sysctls` are paths below /proc/sys; one that the kernel does not know throws ENOENT.
 */
export function prepareInterface(
  namespaceFd: number,
  name: string,
  isIpv6: boolean,
  sysctls: ReadonlyMap<string, string>,
): Promise<void> {
  return change(
    inNetworkNamespace(namespaceFd, () => {
      const settings: (OpenSysctl | undefined)[] = [];
      try {
        settings.push(openToChange(`ipv6/conf/${name}/disable_ipv6`, isIpv6 ? '0' : '1'));
        for (const [path, value] of sysctls) settings.push({ fd: openSync(`/proc/sys/${path}`, 'w'), value });
        return settings;
      } catch (error) {
        for (const setting of settings) if (setting !== undefined) closeSync(setting.fd);
        throw error;
      }
    }),
  );
}

export function hostForwarding(): HostForwarding {
  const isOn = (path: string) => read(path) === '1';
  const iptables = read('bridge/bridge-nf-call-iptables');
  const ip6tables = read('bridge/bridge-nf-call-ip6tables');
  const ipv4Forwarding = isOn('ipv4/ip_forward');
  const warnings: string[] = [];
  if (!ipv4Forwarding) warnings.push('IPv4 forwarding is disabled');
  return {
    ipv4Forwarding,
    ipv6Forwarding: isOn('ipv6/conf/all/forwarding'),
    ...(iptables === undefined ? {} : { bridgeNfIptables: iptables === '1' }),
    ...(ip6tables === undefined ? {} : { bridgeNfIp6tables: ip6tables === '1' }),
    warnings,
  };
}
