// The host's settings that bridges need, below /proc/sys/net of the daemon's own network namespace.
import { readFileSync, writeFileSync } from 'node:fs';
import { isErrno } from '../../../native-bindings/errno.ts';
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

/** Written only when it differs: on some hosts /proc/sys is read-only and set up by the administrator. */
function ensure(path: string, value: string): boolean {
  const now = read(path);
  if (now === undefined || now === value) return false;
  writeFileSync(`${NET}/${path}`, value);
  return true;
}

/**
 * Forwarding for the families that the bridge has. Returns what was changed and what the administrator should know of it. Throws what
 * writing throws, which is EROFS where the settings are somebody else's.
 */
export function ensureForwarding({ ipv6 }: Pick<BridgeRequest, 'ipv6'>): string[] {
  const warnings: string[] = [];
  if (ensure('ipv4/ip_forward', '1')) {
    warnings.push('net.ipv4.ip_forward was off and is on now: the host forwards between its other interfaces as well');
  }
  if (ipv6 !== undefined && ensure('ipv6/conf/all/forwarding', '1')) {
    warnings.push(
      'net.ipv6.conf.all.forwarding was off and is on now: interfaces whose accept_ra is 1 no longer take router advertisements',
    );
  }
  return warnings;
}

/** Of a bridge: loopback addresses are routed to it (the firewall lets only the host do that), and it is configured by nobody else. */
export function prepareBridge({ name, ipv4, ipv6 }: Pick<BridgeRequest, 'name' | 'ipv4' | 'ipv6'>): void {
  if (ipv4 !== undefined) ensure(`ipv4/conf/${name}/route_localnet`, '1');
  ensure(`ipv6/conf/${name}/accept_ra`, '0');
  // Neighbours are asked for from the link-local address: while it is checked for a double, two seconds, nothing could be forwarded.
  ensure(`ipv6/conf/${name}/accept_dad`, '0');
  ensure(`ipv6/conf/${name}/disable_ipv6`, ipv6 === undefined ? '1' : '0');
}

/** Whether frames between ports of a bridge go through the rules for packets as well. */
export function isBridgeFiltered(): boolean {
  return read('bridge/bridge-nf-call-iptables') === '1' || read('bridge/bridge-nf-call-ip6tables') === '1';
}

/** Settings of an interface in the namespace that the caller is in. A name that the kernel does not know throws ENOENT. */
export function writeSysctls(sysctls: ReadonlyMap<string, string>): void {
  for (const [path, value] of sysctls) writeFileSync(`/proc/sys/${path}`, value);
}

export function disableIpv6(interfaceName: string, isDisabled: boolean): void {
  try {
    ensure(`ipv6/conf/${interfaceName}/disable_ipv6`, isDisabled ? '1' : '0');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EROFS')) throw error;
  }
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
