// /proc of a container, and what is written through it before anybody else can reach it: sysctls go to a procfs that the engine has
// just made and still holds alone, without links and without leaving it (CVE-2025-52881).
import { RESOLVE } from '../../../native-bindings/constants.ts';
import { mountWords } from '../explain/mount-words.ts';
import type { OciMount, OciSpec } from '../oci-spec.ts';
import { isDefaultSysctl, sysctlPath } from '../sysctls.ts';
import { MOVE } from './compile-mounts.ts';
import type { ProgramBuilder } from './program-builder.ts';

const INSIDE = RESOLVE.BENEATH | RESOLVE.NO_XDEV | RESOLVE.NO_SYMLINKS;

/** Returns the descriptor of the procfs. */
export function compileSysctls(builder: ProgramBuilder, spec: OciSpec, mount: OciMount): number {
  const fd = builder.newFd();
  const { attributes, data } = mountWords(mount.options);
  builder.add('fsmount', [fd, 'proc', attributes, [`source=${mount.source}`, ...data]], mount.destination);
  writeSysctls(builder, spec, fd);
  builder.add('move_mount', [fd, mount.destination, MOVE.DIRECTORY | MOVE.NO_SYMLINKS]);
  return fd;
}

/** When /proc itself is the user's bind: a procfs that is never attached. */
export function compileSysctlsApart(builder: ProgramBuilder, spec: OciSpec): void {
  if (Object.keys(spec.linux.sysctl).length === 0) return;
  const fd = builder.newFd();
  builder.add('fsmount', [fd, 'proc', 0, []], 'for the sysctls only');
  writeSysctls(builder, spec, fd);
  builder.add('close', [fd]);
}

function writeSysctls(builder: ProgramBuilder, spec: OciSpec, procFd: number): void {
  for (const [key, value] of Object.entries(spec.linux.sysctl)) {
    const args = [procFd, `sys/${sysctlPath(key)}`, INSIDE, Buffer.from(value)];
    if (isDefaultSysctl(key, value)) builder.addOptional('write', args);
    else builder.add('write', args);
  }
}
