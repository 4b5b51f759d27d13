// The spec's list of mounts, in the order in which they are made: the standard ones, then the engine's files and the user's, parents first, so
// that a volume on /etc has the engine's files on it. A mount of the user's replaces one of ours of the same target, and on /dev, /proc and
// /sys all that would lie below it.
import type { ResolvedMount } from '../spec/mount.ts';
import type { SpecInput } from './container-input.ts';
import type { OciMount } from './oci-spec.ts';

/** Stay writable on a read-only root. */
const ALWAYS_WRITABLE: ReadonlySet<string> = new Set(['/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']);

export function specMounts(input: SpecInput): OciMount[] {
  const { isRootReadonly, mounts } = input.container;
  const targets = new Set(mounts.map(({ target }) => target));
  const isReplaced = ({ destination }: OciMount) =>
    targets.has(destination) ||
    [...targets].some((target) => /^\/(dev|proc|sys)$/.test(target) && destination.startsWith(`${target}/`));
  const standard = standardMounts(input).filter((mount) => !isReplaced(mount));
  const managed = managedMounts(input).filter((mount) => !isReplaced(mount) && !wouldReachHost(mount, mounts));
  if (isRootReadonly) {
    for (const { destination, options } of [...standard, ...managed]) {
      if (ALWAYS_WRITABLE.has(destination) || options.includes('ro')) continue;
      const rw = options.indexOf('rw');
      if (rw >= 0) options.splice(rw, 1);
      options.push('ro');
    }
  }
  const layered = [...managed, ...mounts.map((mount) => userMount(mount, input))].sort(
    (a, b) => depth(a.destination) - depth(b.destination),
  );
  return [...standard, ...layered];
}

function standardMounts({ container, namespaces, cgroupVersion }: SpecInput): OciMount[] {
  const { isPrivileged: writable, hasWritableCgroups } = container.security;
  const { shmBytes } = container.namespaces.ipc;
  const access = writable ? 'rw' : 'ro';
  const cgroupAccess = writable || hasWritableCgroups ? 'rw' : 'ro';
  const mount = (destination: string, type: string, source: string, options: string): OciMount => ({
    destination,
    type,
    source,
    options: options.split(','),
  });
  const list = [
    mount('/proc', 'proc', 'proc', 'nosuid,noexec,nodev'),
    mount('/dev', 'tmpfs', 'tmpfs', 'nosuid,strictatime,mode=755,size=65536k'),
    mount('/dev/pts', 'devpts', 'devpts', 'nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5'),
    mount('/sys', 'sysfs', 'sysfs', `nosuid,noexec,nodev,${access}`),
    mount(
      '/sys/fs/cgroup',
      'cgroup',
      cgroupVersion === 2 ? 'cgroup2' : 'cgroup',
      `${cgroupAccess},nosuid,noexec,nodev`,
    ),
    mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid,noexec,nodev'),
  ];
  if (shmBytes === 0) return list;
  if (namespaces.ipc === 'private') {
    list.push(mount('/dev/shm', 'tmpfs', 'shm', `nosuid,noexec,nodev,mode=1777,size=${shmBytes}`));
  } else {
    // With a joined namespace this is that container's directory: see compileJoinedShm.
    list.push(mount('/dev/shm', 'bind', '/dev/shm', 'bind,rprivate,nosuid,noexec,nodev'));
  }
  return list;
}

function managedMounts({ managedFiles }: SpecInput): OciMount[] {
  const files: [string, string | undefined][] = [
    ['/etc/resolv.conf', managedFiles.resolvConf],
    ['/etc/hostname', managedFiles.hostname],
    ['/etc/hosts', managedFiles.hosts],
  ];
  const list: OciMount[] = [];
  for (const [destination, source] of files) {
    if (source !== undefined) list.push({ destination, type: 'bind', source, options: ['bind', 'rprivate', 'rw'] });
  }
  return list;
}

/** On a mount that is shared with the host it would be seen there, and stay when the container has gone: `-v /etc:/etc:rshared`. */
function wouldReachHost({ destination }: OciMount, mounts: readonly ResolvedMount[]): boolean {
  return mounts.some(({ target, propagation }) => /shared$/.test(propagation) && destination.startsWith(`${target}/`));
}

function userMount(mount: ResolvedMount, { container }: SpecInput): OciMount {
  if (mount.type === 'tmpfs') {
    return { destination: mount.target, type: 'tmpfs', source: 'tmpfs', options: [...mount.tmpfsOptions] };
  }
  const access = mount.readonly ? (mount.recursiveReadonly ? 'rro' : 'ro') : 'rw';
  return {
    destination: mount.target,
    type: 'bind',
    // Of a volume that is still to be made only the name is known.
    source: mount.source || (mount.volume?.name ?? ''),
    // A volume goes from one container to the next: a device in it is nothing that any of them should be able to open.
    options: [
      mount.recursive ? 'rbind' : 'bind',
      mount.propagation,
      access,
      ...(mount.volume !== undefined && mount.target !== '/dev' && !container.security.isPrivileged ? ['nodev'] : []),
    ],
  };
}

function depth(target: string): number {
  return target.split('/').length;
}
