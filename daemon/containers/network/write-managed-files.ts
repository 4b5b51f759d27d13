// The files that the engine keeps below /etc of a container: written anew at each start, into the run's directory, and bound into place
// by the program. They are never part of a layer. While it runs they are changed in place: the mount is on the file itself.
// INVARIANT: no open here waits. Whoever has such a file in a container can take a lease on it, and every blocking open of the daemon's one
// main thread then takes 45 seconds (fcntl(2), F_SETLEASE).
import {
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { isErrno } from '../../../native-bindings/errno.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { Connection } from '../../networks/gateways.ts';
import { editHosts, embeddedResolvConf, type HostLine, hostsFile, resolvConf } from '../../networks/managed-files.ts';
import { poolOf } from '../../networks/network-record.ts';
import type { ManagedFiles } from '../../runtime/container-input.ts';
import type { Container } from '../container.ts';
import type { Needs } from '../needs.ts';
import { networkDonor } from '../start/join-namespaces.ts';
import { type LinksNeeds, linkedFrom, linkLines } from './links.ts';

/** See needs.ts. */
export type WriteManagedFilesNeeds = Needs<
  | 'defaults'
  | 'log.warn'
  | 'networks.registry.byName'
  | 'networks.sandboxes.connections'
  | 'networks.sandboxes.of'
  | 'paths.managedFile'
  | 'store'
> &
  LinksNeeds;

const editedLimitBytes = 1024 * 1024;

/** `owner`: the container, or the one whose network it shares. */
export function managedFilesOf({ paths }: WriteManagedFilesNeeds, owner: string): Required<ManagedFiles> {
  return {
    hostname: paths.managedFile(owner, 'hostname'),
    hosts: paths.managedFile(owner, 'hosts'),
    resolvConf: paths.managedFile(owner, 'resolv.conf'),
  };
}

/** The network's addresses are reserved already. */
export function writeManagedFiles(services: WriteManagedFilesNeeds, container: Container): ManagedFiles {
  const { id, spec } = container;
  const donor = networkDonor(services.store, spec);
  const files = managedFilesOf(services, donor?.id ?? id);
  if (donor !== undefined) return files;
  writeOver(files.hostname, `${spec.hostname}\n`);
  const { kind } = spec.network;
  const connections = services.networks.sandboxes.connections(id);
  writeOver(
    files.hosts,
    hostsFile({
      extraHosts: spec.extraHosts,
      gateways: hostGateways(services, connections),
      ...(kind === 'host' ? { hostFile: readText('/etc/hosts') } : {}),
      lines: [...linkLines(services, container, true), ...ownLines(container, connections, kind)],
    }),
  );
  writeOver(files.resolvConf, resolverFile(services, container));
  return files;
}

/**
 * What the last start bound over the container's own files, as far as it is there: for a look inside while it does not run. Before the first
 * start there is nothing, and what lies in a directory that served another container is not its.
 */
export function lastManagedFiles(services: WriteManagedFilesNeeds, { id, spec, state }: Container): ManagedMount[] {
  if (state.startedNs === '0') return [];
  let owner: string;
  try {
    owner = networkDonor(services.store, spec)?.id ?? id;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not-found') return [];
    throw error;
  }
  const files = managedFilesOf(services, owner);
  const replaced = new Set(spec.mounts.map(({ target }) => target));
  const all: ManagedMount[] = [
    { target: '/etc/hosts', source: files.hosts },
    { target: '/etc/hostname', source: files.hostname },
    { target: '/etc/resolv.conf', source: files.resolvConf },
  ];
  return all.filter(({ target, source }) => !replaced.has(target) && existsSync(source));
}

export interface ManagedMount {
  source: string;
  target: string;
}

/** `after`: what of the network has changed. Of a container that uses another's network nothing is its own. */
export function updateManagedFiles(services: WriteManagedFilesNeeds, container: Container, change: FileChange): void {
  const hosts = services.paths.managedFile(container.id, 'hosts');
  edit(services, container, hosts, (text) => editHosts(text, change.removed, change.added));
  const before = change.resolverBefore;
  if (before === undefined) return;
  const resolv = services.paths.managedFile(container.id, 'resolv.conf');
  // What the container wrote itself stays.
  edit(services, container, resolv, (text) => (text === before ? resolverFile(services, container) : text));
}

/** In place. A file that is too large, or that a process of the container keeps to itself, is left to the container. */
function edit(
  services: WriteManagedFilesNeeds,
  container: Container,
  path: string,
  change: (text: string) => string,
): void {
  try {
    const text = readChanged(path);
    const changed = text === undefined ? undefined : change(text);
    if (changed !== undefined && changed !== text) writeInPlace(path, changed);
  } catch (error) {
    if (!isErrno(error, 'EAGAIN')) throw error;
    services.log.warn(
      { container: container.id, name: container.record.name, path },
      'cannot edit a file of a container: one of its processes has a lease on it',
    );
  }
}

export interface FileChange {
  removed: readonly HostLine[];
  added: readonly HostLine[];
  /** What resolv.conf said, as far as the engine wrote it. */
  resolverBefore?: string;
}

/** A linked container has another address now, or none: those that have a link to it are told. */
export function updateLinks(services: WriteManagedFilesNeeds, container: Container): void {
  for (const other of linkedFrom(services, container)) {
    const lines = linkLines(services, other, false);
    const names = new Set(lines.map((line) => line.names.join(' ')));
    edit(services, other, services.paths.managedFile(other.id, 'hosts'), (text) => {
      const kept = text.split('\n').filter((line) => !names.has(line.slice(line.indexOf('\t') + 1)));
      return editHosts(kept.join('\n'), [], lines);
    });
  }
}

export function resolverFile(services: WriteManagedFilesNeeds, container: Container): string {
  const { dns: asked, network } = container.spec;
  const { dns } = services.defaults;
  const pick = (own: readonly string[], otherwise: readonly string[]) => (own.length > 0 ? own : otherwise);
  const input = {
    hostFile: readText('/etc/resolv.conf'),
    keepLoopback: network.kind === 'host',
    servers: pick(asked.servers, dns.servers),
    search: pick(asked.search, dns.search),
    options: pick(asked.options, dns.options),
  };
  const isOnUserNetwork = services.networks.sandboxes.of(container.id)?.isOnUserNetwork ?? false;
  return isOnUserNetwork ? embeddedResolvConf(input) : resolvConf(input);
}

/** The container's own addresses with its own name. */
export function ownLines(
  container: Container,
  connections: readonly { endpoint: { ipv4?: string; ipv6?: string } }[],
  kind: string,
): HostLine[] {
  const { hostname, domainname } = container.spec;
  if (hostname === '' || kind === 'host') return [];
  const full = domainname === '' ? hostname : `${hostname}.${domainname}`;
  // hosts(5): the canonical name, then the short one.
  const [short = ''] = full.split('.');
  const names = short === '' || short === full ? [full] : [full, short];
  const addresses = connections.flatMap(({ endpoint }) => [endpoint.ipv4, endpoint.ipv6]);
  const known = addresses.filter((address) => address !== undefined);
  // Without a network a process can look up its own name all the same.
  if (known.length === 0 && kind === 'bridge') return [{ address: '127.0.1.1', names }];
  return known.map((address) => ({ address, names }));
}

/** The host as this container can reach it: its own bridge's addresses, else those of the default bridge. */
function hostGateways({ defaults, networks }: WriteManagedFilesNeeds, connections: readonly Connection[]): string[] {
  if (defaults.hostGateways.length > 0) return [...defaults.hostGateways];
  const own = connections.find(({ entry }) => entry.interfaces !== undefined && !entry.record.isInternal);
  const record = own?.entry.record ?? networks.registry.byName('bridge')?.record;
  if (record === undefined) return [];
  return ([4, 6] as const).map((family) => poolOf(record, family)?.gateway).filter((gateway) => gateway !== undefined);
}

/** Before a start. A file that is there already may be in a container still, which shares this one's network: it has what is written now. */
function writeOver(path: string, text: string): void {
  try {
    writeInPlace(path, text);
  } catch (error) {
    if (!isErrno(error, 'EAGAIN')) throw error;
    // With the file that it has a lease on, whoever shares it is left behind.
    rmSync(path);
    writeInPlace(path, text);
  }
}

/** Throws EAGAIN when a process has a lease. Not by way of an empty file: ext4 writes such a one out at once when it is closed. */
function writeInPlace(path: string, text: string): void {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o644);
  try {
    const bytes = Buffer.from(text);
    writeFileSync(fd, bytes);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}

/** The host's own files may be missing: an empty one says the same. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** A file that the container can write to as well. undefined: it is larger than what the engine edits. Throws EAGAIN for a lease. */
function readChanged(path: string): string | undefined {
  const bytes = Buffer.allocUnsafe(editedLimitBytes + 1);
  let length = 0;
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      for (let got = -1; got !== 0 && length < bytes.length; length += got) {
        got = readSync(fd, bytes, length, bytes.length - length, null);
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  return length > editedLimitBytes ? undefined : bytes.toString('utf8', 0, length);
}
