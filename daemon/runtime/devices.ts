// Device nodes of a container's /dev: the standard ones, those of --device, and all of the host's for a privileged container. What
// the cgroup's device filter lets through is daemon/cgroups' part; it is told of the same devices.
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { EngineError } from '../errors/engine-error.ts';
import type { DeviceMapping } from '../spec/container-spec.ts';
import type { ResolvedMount } from '../spec/mount.ts';
import type { OciDevice } from './oci-spec.ts';

/** A device of --device, with what the filter allows: some of r, w and m. */
export interface ResolvedDevice extends OciDevice {
  permissions: string;
}

const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const MAX_DEVICES = 4096;

const character = (name: string, major: number, minor: number): OciDevice => ({
  path: `/dev/${name}`,
  type: 'c',
  major,
  minor,
  fileMode: 0o666,
  uid: 0,
  gid: 0,
});

/** In every container. */
export const DEFAULT_DEVICES: readonly OciDevice[] = [
  character('null', 1, 3),
  character('zero', 1, 5),
  character('full', 1, 7),
  character('random', 1, 8),
  character('urandom', 1, 9),
  character('tty', 5, 0),
];

/** Of a device's place: below /dev it is made, elsewhere it is bound (compile-outer-devices.ts). */
export function isInDev(place: string): boolean {
  return place.startsWith('/dev/');
}

/** As makedev(3): the number that mknod(2) takes. */
export function deviceNumber(major: number, minor: number): bigint {
  const [a, b] = [BigInt(major), BigInt(minor)];
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn);
}

/** --device: files, symbolic links to them, and directories (all devices below). Reads the host; throws Docker's messages. */
export function resolveDevices(mappings: readonly DeviceMapping[]): ResolvedDevice[] {
  const devices: ResolvedDevice[] = [];
  for (const { hostPath, containerPath, access } of mappings) collect(hostPath, containerPath, access, devices);
  return devices;
}

function collect(host: string, target: string, permissions: string, devices: ResolvedDevice[]): void {
  const refuse = (why: string, cause?: unknown) =>
    new EngineError('invalid', `error gathering device information while adding custom device "${host}": ${why}`, {
      cause,
    });
  let stats: Stats;
  try {
    stats = statSync(host);
  } catch (error) {
    throw refuse('no such file or directory', error);
  }
  if (devices.length >= MAX_DEVICES) throw refuse(`more than ${MAX_DEVICES} devices`);
  if (stats.isDirectory()) {
    for (const found of scan(host, target)) devices.push({ ...found, permissions });
    return;
  }
  const device = deviceOf(stats, target);
  if (device === undefined) throw refuse('not a device node');
  devices.push({ ...device, permissions });
}

/**
 * --device makes nodes in a /dev of the engine's or of --tmpfs; what the user binds over it stays as the host has it (as with runc). That
 * is what -v /dev:/dev wants; where a node is missing in the end, this says so. Reads the host.
 */
export function deviceWarnings(devices: readonly ResolvedDevice[], mounts: readonly ResolvedMount[]): string[] {
  const hidden = new Map<ResolvedMount, string[]>();
  for (const device of devices.filter(({ path: place }) => isInDev(place))) {
    const covering = mounts.filter(({ target }) => device.path.startsWith(`${target}/`));
    const mount = covering.sort((a, b) => b.target.length - a.target.length)[0];
    if (mount === undefined || isThere(device, mount)) continue;
    hidden.set(mount, [...(hidden.get(mount) ?? []), device.path]);
  }
  return [...hidden].map(([{ type, target, source }, paths]) => {
    const names = paths.length > 3 ? `${paths.slice(0, 3).join(', ')} and ${paths.length - 3} more` : paths.join(', ');
    if (type === 'bind') return `no device node ${names}: ${source} is mounted on ${target} and has none of that name`;
    return target === '/dev'
      ? `device nodes in /dev cannot be opened (${names}): its tmpfs is nodev`
      : `no device node ${names}: the tmpfs on ${target} covers it`;
  });
}

function isThere(device: ResolvedDevice, { type, target, source, tmpfsOptions }: ResolvedMount): boolean {
  if (type === 'tmpfs') return target === '/dev' && !tmpfsOptions.includes('nodev');
  return lstatSync(source + device.path.slice(target.length), { throwIfNoEntry: false }) !== undefined;
}

/** Not devices of the machine, but file systems and files that other mounts put there. */
const SKIPPED: ReadonlySet<string> = new Set([
  '/dev/pts',
  '/dev/shm',
  '/dev/fd',
  '/dev/mqueue',
  '/dev/.lxc',
  '/dev/.lxd-mounts',
  '/dev/.udev',
  '/dev/console',
]);

/** Every device node below the host's /dev: what a privileged container sees. */
export function hostDevices(): OciDevice[] {
  return scan('/dev', '/dev');
}

function scan(host: string, target: string): OciDevice[] {
  const devices: OciDevice[] = [];
  const pending: [string, string][] = [[host, target]];
  for (let next = pending.pop(); next !== undefined && devices.length < MAX_DEVICES; next = pending.pop()) {
    const [from, to] = next;
    for (const name of readdirSync(from).sort()) {
      const file = `${from}/${name}`;
      if (SKIPPED.has(file)) continue;
      const stats = lstatSync(file, { throwIfNoEntry: false });
      if (stats?.isDirectory()) pending.push([file, `${to}/${name}`]);
      const device = stats && deviceOf(stats, `${to}/${name}`);
      if (device) devices.push(device);
    }
  }
  return devices;
}

function deviceOf(stats: Stats, target: string): OciDevice | undefined {
  const kind = stats.mode & S_IFMT;
  if (kind !== S_IFCHR && kind !== S_IFBLK) return undefined;
  const rdev = BigInt(stats.rdev);
  return {
    path: target,
    type: kind === S_IFCHR ? 'c' : 'b',
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
    fileMode: stats.mode & 0o777,
    uid: stats.uid,
    gid: stats.gid,
  };
}
