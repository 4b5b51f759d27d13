// System calls of the launcher's operations on mounts, paths and files: native-bindings/launcher/ops-mount.c, ops-file.c and path.c, call
// for call. A test compares them with strace's account of a real start.
import { posix } from 'node:path';
import { AT, CLONE, MNT, MOUNT_ATTR, MS, O, OPEN_TREE, RESOLVE } from '../../../native-bindings/constants.ts';
import { decodeFlags } from '../../../native-bindings/flags.ts';
import { MOVE } from '../program/compile-mounts.ts';
import type { Op, OpArgument } from '../program/program.ts';
import { type CallTrace, descriptorName } from './call-trace.ts';
import { bytesWords, deviceWords, nodeModeWords, octal, openWords, quote, treeWords } from './call-words.ts';

type Calls = (trace: CallTrace, op: Op) => void;

const attributes = (value: OpArgument): string => decodeFlags('MOUNT_ATTR', MOUNT_ATTR, Number(value));
const propagation = (value: OpArgument): string => decodeFlags('MS', MS, Number(value));
const DIRECTORY = O.PATH | O.DIRECTORY;

function openat2(trace: CallTrace, directory: number, path: string, flags: number, resolve: number): number {
  const how = `{flags=${openWords(flags | O.CLOEXEC)}, resolve=${decodeFlags('RESOLVE', RESOLVE, resolve)}}`;
  return trace.opens(`openat2(${trace.fd(directory)}, ${quote(path)}, ${how})`);
}

/** A path below a root that somebody else may be changing: one lookup, no magic link (path.c). The root is "/" for AT_FDCWD. */
export function lookUp(trace: CallTrace, directory: number, path: string, flags: number, resolve = 0): number {
  const isRoot = directory === AT.FDCWD;
  const root = isRoot ? trace.opens(`openat(AT_FDCWD, "/", ${openWords(DIRECTORY | O.CLOEXEC)})`) : directory;
  const fd = openat2(trace, root, path, flags, resolve | RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS);
  if (isRoot) trace.close(root);
  return fd;
}

function inParent(trace: CallTrace, directory: number, path: string, call: (parent: number, name: string) => string) {
  const parent = lookUp(trace, directory, parentOf(path), DIRECTORY);
  trace.call(call(parent, quote(posix.basename(path))));
  trace.close(parent);
}

/** As the launcher splits it: the last slash stays with the parent. */
function parentOf(path: string): string {
  const trimmed = path.replace(/(?<!\/)\/+$/, '');
  return trimmed.slice(0, trimmed.lastIndexOf('/') + 1) || '.';
}

function enter(trace: CallTrace, path: string): void {
  const fd = lookUp(trace, AT.FDCWD, path, DIRECTORY);
  trace.call(`fchdir(${fd})`);
  trace.close(fd);
}

export const fileSystemCalls = {
  setns(trace, { args: [fd, type] }) {
    trace.call(`setns(${trace.fd(Number(fd))}, ${decodeFlags('CLONE', CLONE, Number(type))})`);
    trace.call('prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)');
  },
  unshare(trace, { args: [flags] }) {
    trace.call(`unshare(${decodeFlags('CLONE', CLONE, Number(flags))})`);
  },
  mount(trace, { args: [source, target, type, flags, data] }) {
    const optional = (text: OpArgument | undefined): string => (text ? quote(String(text)) : 'NULL');
    enter(trace, String(target));
    const shown = [quote(String(source)), '"."', optional(type), propagation(flags ?? 0), optional(data)];
    trace.call(`mount(${shown.join(', ')})`);
    trace.call('chdir("/")');
  },
  umount2(trace, { args: [target, flags] }) {
    enter(trace, String(target));
    trace.call(`umount2(".", ${decodeFlags('MNT', MNT, Number(flags) | MNT.DETACH)})`);
    trace.call('chdir("/")');
  },
  fsmount(trace, { args: [number, type, flags, options], why }) {
    const context = trace.opens(`fsopen(${quote(String(type))}, FSOPEN_CLOEXEC)`);
    for (const option of options as readonly string[]) {
      const [key = '', ...value] = option.split('=');
      trace.call(
        value.length === 0
          ? `fsconfig(${context}, FSCONFIG_SET_FLAG, ${quote(key)}, NULL, 0)`
          : `fsconfig(${context}, FSCONFIG_SET_STRING, ${quote(key)}, ${quote(value.join('='))}, 0)`,
      );
    }
    trace.call(`fsconfig(${context}, FSCONFIG_CMD_CREATE, NULL, NULL, 0)`);
    const mounted = trace.opens(`fsmount(${context}, FSMOUNT_CLOEXEC, ${attributes(flags ?? 0)})`);
    trace.close(context);
    trace.place(mounted, Number(number), descriptorName(why, String(type)));
  },
  open_tree(trace, { args: [number, from, path, flags], why }) {
    const directory = Number(from);
    const noFollow = Number(flags) & AT.SYMLINK_NOFOLLOW ? O.NOFOLLOW : 0;
    const source = path ? lookUp(trace, directory, String(path), O.PATH | noFollow) : directory;
    const how = treeWords(Number(flags) | AT.EMPTY_PATH | OPEN_TREE.CLOEXEC);
    const tree = trace.opens(`open_tree(${trace.fd(source)}, "", ${how})`);
    if (source !== directory) trace.close(source);
    trace.place(tree, Number(number), descriptorName(why, String(path)));
  },
  mount_setattr(trace, { args: [fd, flags, set, clear, spread] }) {
    const changes = [`attr_set=${attributes(set ?? 0)}`, `attr_clr=${attributes(clear ?? 0)}`];
    const change = `{${[...changes, `propagation=${propagation(spread ?? 0)}`].join(', ')}}`;
    trace.call(`mount_setattr(${trace.fd(Number(fd))}, "", ${treeWords(Number(flags) | AT.EMPTY_PATH)}, ${change})`);
  },
  move_mount(trace, { args: [fd, target, flags] }) {
    const resolve = Number(flags) & MOVE.NO_SYMLINKS ? RESOLVE.NO_SYMLINKS : 0;
    const place = lookUp(trace, AT.FDCWD, String(target), O.PATH, resolve);
    if (resolve === 0) trace.call(`fstatfs(${place})`);
    trace.call(
      `move_mount(${trace.fd(Number(fd))}, "", ${place}, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)`,
    );
    trace.close(place);
  },
  mkdirat(trace, { args: [directory, path, mode] }) {
    inParent(
      trace,
      Number(directory),
      String(path),
      (parent, name) => `mkdirat(${parent}, ${name}, ${octal(mode ?? 0)})`,
    );
  },
  mknodat(trace, { args: [directory, path, mode, device] }) {
    const what = `${nodeModeWords(mode ?? 0)}, makedev(${deviceWords(device ?? 0).replace(':', ', ')})`;
    inParent(trace, Number(directory), String(path), (parent, name) => `mknodat(${parent}, ${name}, ${what})`);
  },
  fchownat(trace, { args: [directory, path, uid, gid] }) {
    const what = `${uid}, ${gid}, AT_SYMLINK_NOFOLLOW`;
    inParent(trace, Number(directory), String(path), (parent, name) => `fchownat(${parent}, ${name}, ${what})`);
  },
  symlinkat(trace, { args: [target, directory, path] }) {
    const text = quote(String(target));
    inParent(trace, Number(directory), String(path), (parent, name) => `symlinkat(${text}, ${parent}, ${name})`);
  },
  openat2(trace, { args: [number, directory, path, flags, resolve] }) {
    const fd = openat2(trace, Number(directory), String(path), Number(flags), Number(resolve));
    trace.place(fd, Number(number), descriptorName(undefined, String(path)));
  },
  write(trace, { args: [directory, path, resolve, bytes] }) {
    const flags = O.WRONLY | O.NOCTTY | O.NOFOLLOW;
    const fd = openat2(trace, Number(directory), String(path), flags, Number(resolve));
    trace.call(`write(${fd}, ${bytesWords(bytes ?? '')}, ${(bytes as Uint8Array).length})`);
    trace.close(fd);
  },
  close(trace, { args: [fd] }) {
    trace.close(Number(fd));
  },
  pivot_root(trace, { args: [root] }) {
    trace.call(`fchdir(${trace.fd(Number(root))})`);
    trace.call('pivot_root(".", ".")');
    trace.call('umount2(".", MNT_DETACH)');
    trace.call('chdir("/")');
  },
  chdir(trace, { args: [path] }) {
    const fd = lookUp(trace, AT.FDCWD, String(path), O.PATH);
    trace.call(`fchdir(${fd})`);
    trace.close(fd);
    trace.call('getcwd()');
  },
} satisfies Record<string, Calls>;
