// Docker's default seccomp profile as data, in the form that `--security-opt seccomp=FILE` also has, and its resolution for one
// container: which rules apply depends on its capabilities, the architecture and the kernel. Pure; compiling is seccomp-compile.ts.
import type { ProfileCondition, ProfileRule, SeccompProfile } from '../../spec/seccomp-rules.ts';
import type { OciSeccomp, OciSeccompArg, OciSeccompRule } from '../oci-spec.ts';

export interface ProfileContext {
  /** CAP_ names that the container holds. */
  capabilities: readonly string[];
  /** Node's name: x64, arm64. */
  arch: string;
  /** [major, minor] */
  kernel: readonly [number, number];
}

const words = (text: string): string[] => text.trim().split(/\s+/);
const ALLOW = 'SCMP_ACT_ALLOW';
const allow = (names: string, more: Partial<ProfileRule> = {}): ProfileRule => ({
  names: words(names),
  action: ALLOW,
  ...more,
});
const withCap = (cap: string, names: string): ProfileRule => allow(names, { includes: { caps: [cap] } });
const compare = (op: string, value: number, valueTwo?: number): OciSeccompArg[] => [
  { index: 0, value, op: `SCMP_CMP_${op}`, ...(valueTwo === undefined ? {} : { valueTwo }) },
];

/** New namespaces of any kind: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const CLONE_NAMESPACES = 0x7e020000;
const AF_ALG = 38;
const ENOSYS = 38;

/** Harmless for every container. */
const COMMON = `
accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64
clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect
copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark
fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr
fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr
getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents
io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset
landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listxattr listxattrat llistxattr _llseek lremovexattr lseek
lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock
mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll
ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read
readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat
rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam
sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat
shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs
statfs64 statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun
timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat
utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev`;

/** Every call that makes or changes mounts or namespaces, and the like. */
const ADMIN = `
bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie lsm_get_self_attr lsm_list_modules
lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns
statmount syslog umount umount2 unshare`;

export const DEFAULT_PROFILE: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  architectures: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    allow(COMMON),
    allow('process_vm_readv process_vm_writev ptrace', { includes: { minKernel: '4.8' } }),
    // Any address family but AF_ALG (a way into the kernel's page cache) and AF_VSOCK (the hypervisor).
    // Each one by its number: a filter compares 64 bits and the kernel takes 32, so "greater than" lets 2^32 + 38 pass.
    allow('socket', { args: compare('LT', AF_ALG) }),
    ...[39, 41, 42, 43, 44, 45, 46, 47].map((family) => allow('socket', { args: compare('EQ', family) })),
    ...[0x0, 0x8, 0x20000, 0x20008, 0xffffffff].map((persona) =>
      allow('personality', { args: compare('EQ', persona) }),
    ),
    allow('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls', {
      includes: { arches: ['arm', 'arm64'] },
    }),
    allow('arch_prctl', { includes: { arches: ['amd64', 'x32'] } }),
    allow('modify_ldt', { includes: { arches: ['amd64', 'x32', 'x86'] } }),
    withCap('CAP_DAC_READ_SEARCH', 'open_by_handle_at'),
    withCap('CAP_SYS_ADMIN', ADMIN),
    allow('clone', {
      args: compare('MASKED_EQ', CLONE_NAMESPACES, 0),
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    }),
    // Its flags lie behind a pointer that a filter cannot follow; ENOSYS makes C libraries use clone.
    {
      names: ['clone3'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: ENOSYS,
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    },
    withCap('CAP_SYS_BOOT', 'reboot'),
    withCap('CAP_SYS_CHROOT', 'chroot'),
    withCap('CAP_SYS_MODULE', 'delete_module init_module finit_module'),
    withCap('CAP_SYS_PACCT', 'acct'),
    withCap('CAP_SYS_PTRACE', 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace'),
    withCap('CAP_SYS_RAWIO', 'iopl ioperm'),
    withCap('CAP_SYS_TIME', 'settimeofday stime clock_settime clock_settime64'),
    withCap('CAP_SYS_TTY_CONFIG', 'vhangup'),
    withCap('CAP_SYS_NICE', 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node'),
    withCap('CAP_SYSLOG', 'syslog'),
    withCap('CAP_BPF', 'bpf'),
    withCap('CAP_PERFMON', 'perf_event_open'),
  ],
};

/** Names of processors in profiles (Go's), by Node's name. */
const PROFILE_ARCH: ReadonlyMap<string, { name: string; scmp: string }> = new Map([
  ['x64', { name: 'amd64', scmp: 'SCMP_ARCH_X86_64' }],
  ['arm64', { name: 'arm64', scmp: 'SCMP_ARCH_AARCH64' }],
]);

/** The rules of a profile that apply to one container, in the form of the OCI spec. */
export function resolveProfile(profile: SeccompProfile, context: ProfileContext): OciSeccomp {
  const native = PROFILE_ARCH.get(context.arch);
  const family = profile.architectures.find((entry) => entry.architecture === native?.scmp);
  const syscalls: OciSeccompRule[] = [];
  for (const rule of profile.syscalls) {
    if (!included(rule.includes, context, native?.name) || excluded(rule.excludes, context, native?.name)) continue;
    syscalls.push({
      names: [...rule.names],
      action: rule.action,
      ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
      ...(rule.args === undefined || rule.args.length === 0 ? {} : { args: rule.args.map((arg) => ({ ...arg })) }),
    });
  }
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: family ? [family.architecture, ...family.subArchitectures] : [],
    ...(profile.flags === undefined || profile.flags.length === 0 ? {} : { flags: [...profile.flags] }),
    syscalls,
  };
}

function included(condition: ProfileCondition | undefined, context: ProfileContext, arch: string | undefined): boolean {
  if (condition === undefined) return true;
  const { caps, arches, minKernel } = condition;
  if (arches && arches.length > 0 && !(arch !== undefined && arches.includes(arch))) return false;
  if (caps && !caps.every((cap) => context.capabilities.includes(cap))) return false;
  return !minKernel || kernelAtLeast(context.kernel, minKernel);
}

function excluded(condition: ProfileCondition | undefined, context: ProfileContext, arch: string | undefined): boolean {
  if (condition === undefined) return false;
  const { caps, arches, minKernel } = condition;
  if (arches && arch !== undefined && arches.includes(arch)) return true;
  if (caps?.some((cap) => context.capabilities.includes(cap))) return true;
  return Boolean(minKernel) && kernelAtLeast(context.kernel, minKernel as string);
}

function kernelAtLeast(kernel: readonly [number, number], wanted: string): boolean {
  const [major = 0, minor = 0] = wanted.split('.').map(Number);
  return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
}
