// Numbers of the kernel's interface, by family: `MS.BIND` is the header's MS_BIND. Families of bits can be decoded with flags.ts.
// Only true constants of Linux on x86-64 and arm64 belong here; where the two differ the table picks by process.arch.

const isArm64 = process.arch === 'arm64';

export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  NO_AUTOMOUNT: 0x800,
  EMPTY_PATH: 0x1000,
  RECURSIVE: 0x8000,
} as const;

/** open(2). DIRECTORY and NOFOLLOW have other values on arm64. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  DIRECT: isArm64 ? 0o200000 : 0o40000,
  LARGEFILE: 0,
  DIRECTORY: isArm64 ? 0o40000 : 0o200000,
  NOFOLLOW: isArm64 ? 0o100000 : 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

/** openat2(2). */
export const RESOLVE = {
  NO_XDEV: 0x01,
  NO_MAGICLINKS: 0x02,
  NO_SYMLINKS: 0x04,
  BENEATH: 0x08,
  IN_ROOT: 0x10,
  CACHED: 0x20,
} as const;

/** clone(2), clone3(2), unshare(2), setns(2). INTO_CGROUP does not fit 32 bits. */
export const CLONE = {
  NEWTIME: 0x00000080,
  VM: 0x00000100,
  FS: 0x00000200,
  FILES: 0x00000400,
  SIGHAND: 0x00000800,
  PIDFD: 0x00001000,
  PTRACE: 0x00002000,
  VFORK: 0x00004000,
  PARENT: 0x00008000,
  THREAD: 0x00010000,
  NEWNS: 0x00020000,
  SYSVSEM: 0x00040000,
  NEWCGROUP: 0x02000000,
  NEWUTS: 0x04000000,
  NEWIPC: 0x08000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
  IO: 0x80000000,
  CLEAR_SIGHAND: 0x100000000,
  INTO_CGROUP: 0x200000000,
} as const;

/** mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOSYMFOLLOW: 256,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  SILENT: 32768,
  UNBINDABLE: 0x20000,
  PRIVATE: 0x40000,
  SLAVE: 0x80000,
  SHARED: 0x100000,
  RELATIME: 0x200000,
  STRICTATIME: 0x1000000,
  LAZYTIME: 0x2000000,
} as const;

/** umount2(2): MNT_* and UMOUNT_NOFOLLOW. */
export const MNT = { FORCE: 1, DETACH: 2, EXPIRE: 4, NOFOLLOW: 8 } as const;

/** fsmount(2), mount_setattr(2): attributes of a mount. ATIME is the mask of the three ways to keep access times. */
export const MOUNT_ATTR = {
  RDONLY: 0x00000001,
  NOSUID: 0x00000002,
  NODEV: 0x00000004,
  NOEXEC: 0x00000008,
  NOATIME: 0x00000010,
  STRICTATIME: 0x00000020,
  ATIME: 0x00000070,
  NODIRATIME: 0x00000080,
  IDMAP: 0x00100000,
  NOSYMFOLLOW: 0x00200000,
} as const;

export const OPEN_TREE = { CLONE: 1, CLOEXEC: O.CLOEXEC } as const;

export const MOVE_MOUNT = {
  F_SYMLINKS: 0x01,
  F_AUTOMOUNTS: 0x02,
  F_EMPTY_PATH: 0x04,
  T_SYMLINKS: 0x10,
  T_AUTOMOUNTS: 0x20,
  T_EMPTY_PATH: 0x40,
  SET_GROUP: 0x100,
  BENEATH: 0x200,
} as const;

export const FSOPEN = { CLOEXEC: 1 } as const;
export const FSMOUNT = { CLOEXEC: 1 } as const;

/** fsconfig(2): what a call does to a file system context. */
export const FSCONFIG = {
  SET_FLAG: 0,
  SET_STRING: 1,
  SET_BINARY: 2,
  SET_PATH: 3,
  SET_PATH_EMPTY: 4,
  SET_FD: 5,
  CMD_CREATE: 6,
  CMD_RECONFIGURE: 7,
  CMD_CREATE_EXCL: 8,
} as const;

/** memfd_create(2). EXEC and NOEXEC_SEAL: kernel 6.3. */
export const MFD = { CLOEXEC: 1, ALLOW_SEALING: 2, NOEXEC_SEAL: 8, EXEC: 16 } as const;

export const F = {
  DUPFD: 0,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  SETPIPE_SZ: 1031,
  GETPIPE_SZ: 1032,
  ADD_SEALS: 1033,
  GET_SEALS: 1034,
  DUPFD_CLOEXEC: 1030,
} as const;
export const FD_CLOEXEC = 1;
export const F_SEAL = { SEAL: 1, SHRINK: 2, GROW: 4, WRITE: 8, FUTURE_WRITE: 16, EXEC: 32 } as const;

export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;
export const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;
export const XATTR = { CREATE: 1, REPLACE: 2 } as const;
export const SEEK = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;
export const FALLOC = { KEEP_SIZE: 1, PUNCH_HOLE: 2 } as const;

/** The type bits of a mode. */
export const S_IF = {
  MT: 0o170000,
  SOCK: 0o140000,
  LNK: 0o120000,
  REG: 0o100000,
  BLK: 0o060000,
  DIR: 0o040000,
  CHR: 0o020000,
  IFO: 0o010000,
} as const;

/** prctl(2). */
export const PR = {
  SET_PDEATHSIG: 1,
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  SET_KEEPCAPS: 8,
  SET_NAME: 15,
  SET_SECCOMP: 22,
  CAPBSET_READ: 23,
  CAPBSET_DROP: 24,
  SET_SECUREBITS: 28,
  SET_CHILD_SUBREAPER: 36,
  SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39,
  SET_THP_DISABLE: 41,
  CAP_AMBIENT: 47,
} as const;
export const PR_CAP_AMBIENT = { IS_SET: 1, RAISE: 2, LOWER: 3, CLEAR_ALL: 4 } as const;

/** statfs(2): `type` of file systems that the engine must recognise. */
export const FS_MAGIC = {
  PROC: 0x9fa0,
  SYSFS: 0x62656572,
  TMPFS: 0x01021994,
  CGROUP: 0x27e0eb,
  CGROUP2: 0x63677270,
  OVERLAY: 0x794c7630,
  EXT4: 0xef53,
  XFS: 0x58465342,
  BTRFS: 0x9123683e,
  ZFS: 0x2fc12fc1,
  NSFS: 0x6e736673,
  DEVPTS: 0x1cd1,
  NFS: 0x6969,
  FUSE: 0x65735546,
} as const;

/** ioctl(2). */
export const TIOC = { GPTN: 0x80045430, SPTLCK: 0x40045431, GPTPEER: 0x5441, GWINSZ: 0x5413, SWINSZ: 0x5414 } as const;
/** Flags of an inode: ioctl_iflags(2). */
export const FS_IOC = { GETFLAGS: 0x80086601, SETFLAGS: 0x40086602 } as const;
export const FS_FLAG = { TOPDIR: 0x00020000 } as const;
export const NS_GET = { USERNS: 0xb701, PARENT: 0xb702, NSTYPE: 0xb703 } as const;
