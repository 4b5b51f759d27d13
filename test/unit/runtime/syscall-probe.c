/* Tries system calls inside a container and prints name=errno (0 for success), one per line. Static, no arguments. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY(name, ...)                                                                                                          \
	do {                                                                                                                    \
		errno = 0;                                                                                                      \
		long result = syscall(__VA_ARGS__);                                                                            \
		printf("%s=%d\n", name, result == -1 ? errno : 0);                                                             \
	} while (0)

static void no_32_bit(int number)
{
	(void)number;
	_exit(0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	TRY("getpid", SYS_getpid);
	TRY("unknown_1000", 1000);
	TRY("unknown_gap_400", 400);
	TRY("mseal", 462, 0, 0, 0);
	TRY("statmount", 457, 0, 0, 0, 0);
	TRY("file_getattr", 468, -1, 0, 0, 0, 0);
	TRY("clone3", 435, 0, 0);
	TRY("socket_alg", SYS_socket, 38, SOCK_SEQPACKET, 0);
	TRY("socket_vsock", SYS_socket, 40, SOCK_STREAM, 0);
	TRY("socket_vsock_wide", SYS_socket, 40 | 1L << 32, SOCK_STREAM, 0);
	TRY("socket_inet", SYS_socket, AF_INET, SOCK_STREAM, 0);
	TRY("socket_unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	TRY("unshare_user", SYS_unshare, CLONE_NEWUSER);
	{
		long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

		if (child == 0)
			_exit(0);
		printf("clone_newuser=%d\n", child < 0 ? errno : 0);
	}
	TRY("mount", SYS_mount, 0, 0, 0, 0, 0);
	TRY("keyctl", SYS_keyctl, 0, -3, 0);
	TRY("add_key", SYS_add_key, 0, 0, 0, 0, 0);
	TRY("io_uring_setup", 425, 0, 0);
	TRY("userfaultfd", SYS_userfaultfd, 0);
	TRY("bpf", SYS_bpf, 0, 0, 0);
	TRY("perf_event_open", SYS_perf_event_open, 0, 0, 0, 0, 0);
	TRY("pivot_root", SYS_pivot_root, 0, 0);
	TRY("reboot", SYS_reboot, 0, 0, 0, 0);
	TRY("init_module", SYS_init_module, 0, 0, 0);
	TRY("kexec_load", SYS_kexec_load, 0, 0, 0, 0);
	TRY("open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0);
	TRY("ptrace", SYS_ptrace, 0x4206, 999999, 0, 0);
	TRY("personality_linux32", SYS_personality, 0x0008);
	TRY("personality_randomize", SYS_personality, ADDR_NO_RANDOMIZE);
	TRY("personality_linux", SYS_personality, 0);
#ifdef __x86_64__
	TRY("x32_getpid", 0x40000000 | SYS_getpid);
	TRY("x32_unknown", 0x40000000 | 900);
	{
		/* int 0x80: the 32-bit table of the same process. */
		int result;

		/* A kernel without the 32-bit table. */
		signal(SIGSEGV, no_32_bit);
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
		printf("i386_getpid=%d\n", result < 0 ? -result : 0);
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(900) : "memory", "r8", "r9", "r10", "r11");
		printf("i386_unknown=%d\n", result < 0 ? -result : 0);
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(21), "b"(0) : "memory", "r8", "r9", "r10", "r11");
		printf("i386_mount=%d\n", result < 0 ? -result : 0);
	}
#endif
	return 0;
}
