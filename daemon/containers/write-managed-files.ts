// The files that the engine keeps below /etc of a container: written anew at each start, into the container's directory, and bound
// into place by the program. They are never part of a layer.
import { readFileSync, writeFileSync } from 'node:fs';
import { hostsFile, resolvConf } from '../networks/managed-files.ts';
import { parseNetworkMode } from '../networks/network-mode.ts';
import type { ManagedFiles } from '../runtime/container-input.ts';
import type { Container } from './container.ts';
import { networkDonor } from './join-namespaces.ts';
import type { Services } from './services.ts';

export function writeManagedFiles(services: Services, container: Container): ManagedFiles {
  const { store, paths } = services;
  const { id, config, hostConfig } = container.record;
  const hostname = paths.managedFile(id, 'hostname');
  writeFileSync(hostname, `${config.Hostname}\n`, { mode: 0o644 });
  const donor = networkDonor(store, hostConfig);
  if (donor !== undefined) {
    return {
      hostname,
      hosts: paths.managedFile(donor.id, 'hosts'),
      resolvConf: paths.managedFile(donor.id, 'resolv.conf'),
    };
  }
  const { kind } = parseNetworkMode(hostConfig.NetworkMode ?? '');
  const hosts = paths.managedFile(id, 'hosts');
  writeFileSync(
    hosts,
    hostsFile({
      extraHosts: hostConfig.ExtraHosts ?? [],
      ...(kind === 'host' ? { hostFile: readHostFile('/etc/hosts') } : {}),
      ...(kind === 'bridge' ? { ownName: config.Hostname } : {}),
    }),
    { mode: 0o644 },
  );
  const resolv = paths.managedFile(id, 'resolv.conf');
  writeFileSync(
    resolv,
    resolvConf({
      hostFile: readHostFile('/etc/resolv.conf'),
      keepLoopback: kind === 'host',
      servers: hostConfig.Dns ?? [],
      search: hostConfig.DnsSearch ?? [],
      options: hostConfig.DnsOptions ?? [],
    }),
    { mode: 0o644 },
  );
  return { hostname, hosts, resolvConf: resolv };
}

/** The host's own files may be missing: an empty one says the same. */
function readHostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
