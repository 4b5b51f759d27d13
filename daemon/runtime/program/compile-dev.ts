// /dev of a container: a tmpfs that is filled while it is detached, where no image and no neighbour can put a link in the way
// (CVE-2026-41579), then attached whole. And the console, which is bound from the terminal's own descriptor (CVE-2025-52565).
import { AT, MOUNT_ATTR, OPEN_TREE, S_IF } from '../../../native-bindings/constants.ts';
import { deviceNumber, isInDev } from '../devices.ts';
import { mountWords } from '../explain/mount-words.ts';
import type { OciDevice, OciMount, OciSpec } from '../oci-spec.ts';
import type { MountSources } from './compile-mounts.ts';
import { MOVE } from './compile-mounts.ts';
import type { ProgramBuilder } from './program-builder.ts';

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['core', '/proc/kcore'],
  ['ptmx', 'pts/ptmx'],
];

/** Returns the descriptor of the tmpfs. */
export function compileDev(builder: ProgramBuilder, spec: OciSpec, mount: OciMount): number {
  const fd = builder.newFd();
  const words = mountWords(mount.options);
  builder.add(
    'fsmount',
    [fd, 'tmpfs', words.attributes & ~MOUNT_ATTR.RDONLY, [`source=${mount.source}`, ...words.data]],
    '/dev, filled before it is attached',
  );
  const made = new Set<string>();
  for (const device of spec.linux.devices) compileDevice(builder, fd, device, made);
  for (const [name, target] of LINKS) {
    if (!made.has(name)) builder.add('symlinkat', [target, fd, name]);
  }
  for (const { destination } of spec.mounts) {
    if (destination.startsWith('/dev/') && destination.lastIndexOf('/') === 4) made.add(destination.slice(5));
  }
  for (const name of ['pts', 'shm', 'mqueue']) {
    if (made.has(name)) builder.add('mkdirat', [fd, name, 0o755]);
  }
  if (spec.process.terminal) builder.add('mknodat', [fd, 'console', S_IF.REG | 0o600, 0]);
  builder.add('move_mount', [fd, '/dev', MOVE.DIRECTORY | MOVE.NO_SYMLINKS]);
  return fd;
}

function compileDevice(builder: ProgramBuilder, devFd: number, device: OciDevice, made: Set<string>): void {
  if (!isInDev(device.path)) return;
  const name = device.path.slice('/dev/'.length);
  const parts = name.split('/');
  for (let count = 1; count < parts.length; count++) {
    const parent = parts.slice(0, count).join('/');
    if (made.has(parent)) continue;
    made.add(parent);
    builder.add('mkdirat', [devFd, parent, 0o755]);
  }
  made.add(name);
  compileNode(builder, devFd, name, device);
}

export function compileNode(builder: ProgramBuilder, directoryFd: number, name: string, device: OciDevice): void {
  builder.add('mknodat', [directoryFd, name, nodeMode(device), deviceNumber(device.major, device.minor)]);
  // As on the host: a group such as dialout or render is what lets others use it.
  if (device.uid !== 0 || device.gid !== 0) builder.add('fchownat', [directoryFd, name, device.uid, device.gid]);
}

function nodeMode({ type, fileMode }: OciDevice): number {
  const kind = type === 'c' ? S_IF.CHR : type === 'b' ? S_IF.BLK : S_IF.IFO;
  return kind | fileMode;
}

/** Opens the terminal; binds it to /dev/console where /dev is the engine's. Returns the descriptor of the container's side. */
export function compileConsole(builder: ProgramBuilder, sources: MountSources): number {
  let ptsFd = sources.ptsFd;
  if (ptsFd === undefined) {
    // /dev is the user's: a terminal from a devpts that nobody else sees.
    ptsFd = builder.newFd();
    builder.add('fsmount', [
      ptsFd,
      'devpts',
      MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC,
      ['ptmxmode=0666', 'mode=0620', 'gid=5'],
    ]);
  }
  const slaveFd = builder.newFd();
  builder.add('pty', [ptsFd, slaveFd], 'a terminal; the monitor gets the other end');
  if (sources.devFd !== undefined && sources.ptsFd !== undefined) {
    const console = builder.newFd();
    builder.add('open_tree', [console, slaveFd, '', OPEN_TREE.CLONE | AT.EMPTY_PATH]);
    builder.add(
      'move_mount',
      [console, '/dev/console', MOVE.NO_SYMLINKS],
      'by descriptor: no name of a terminal is looked up',
    );
  }
  return slaveFd;
}
