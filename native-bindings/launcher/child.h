/* The child: what runs between clone3 and execve. */
#ifndef TSDOCKER_CHILD_H
#define TSDOCKER_CHILD_H

#include "program.h"

#include <stddef.h>

enum {
	STATUS_FAILED = 'F', /* struct status_message, then the detail */
	STATUS_MASTER = 'M', /* with the pty's master as SCM_RIGHTS */
	STATUS_EXEC = 'X',   /* when the socket closes without a failure after this, execve has succeeded */
	STATUS_PROCESS = 'P', /* from op_fork: its sender, as the kernel says who that is, is the child now */
	STATUS_GO = 'G',      /* monitor to child: at the beginning, and when the master has been taken and sized */
	STATUS_DETAIL_MAX = 4096,
};

/* On the SOCK_SEQPACKET pair between child and monitor. */
struct status_message {
	int32_t kind;
	int32_t index;
	int32_t error;
	char detail[STATUS_DETAIL_MAX];
};

struct child {
	const struct program *program;
	int status;	    /* socket to the monitor */
	int stdio[3];	    /* pipe ends, -1 without */
	bool has_announced; /* STATUS_EXEC was sent */
	uint32_t mask;	    /* umask of the process; while the program runs it is 0, so that modes are as said */
	const char *detail; /* what the failing operation was about; an operation may change it */
	char *title;	    /* the memory of argv, for the init's name */
	size_t title_length;
};

/* Runs the rest of the program after clone3. Never returns. */
_Noreturn void child_run(struct child *child, struct cursor cursor);

/* Runs one operation that may come before clone3 as well (setns, unshare, close) or any other. 0, or -1 with errno. */
int run_operation(struct child *child, const struct operation *operation);

/* The groups of operations: each returns 0, or -1 with errno. */
int op_mount(struct child *child, const struct operation *op);
int op_umount2(const struct operation *op);
int op_fsmount(struct child *child, const struct operation *op);
int op_open_tree(const struct operation *op);
int op_mount_setattr(const struct operation *op);
int op_move_mount(const struct operation *op);
int op_pivot_root(const struct operation *op);

int op_mkdirat(const struct operation *op);
int op_mknodat(const struct operation *op);
int op_fchownat(const struct operation *op);
int op_symlinkat(const struct operation *op);
int op_openat2(const struct operation *op);
int op_write(const struct operation *op);
int op_chdir(const struct operation *op);

int op_setrlimit(const struct operation *op);
int op_setgroups(const struct operation *op);
int op_setresgid(const struct operation *op);
int op_setresuid(const struct operation *op);
int op_capset(const struct operation *op);
int op_capbset(const struct operation *op);
int op_prctl(const struct child *child, const struct operation *op);
int op_seccomp(struct child *child, const struct operation *op);
int op_keyctl_session(const struct operation *op);

int op_pty(struct child *child, const struct operation *op);
int op_dup_stdio(struct child *child, const struct operation *op);
int op_init(struct child *child);
int op_fork(const struct child *child);
int op_execve(struct child *child, const struct operation *op);

int send_status(const struct child *child, int32_t kind, int attached_fd);

/* Waits for the monitor's STATUS_GO. False: the monitor has died or given up. */
bool await_go(const struct child *child);

/* Tells the monitor that the socket's closing without a failure means success from here on. Once. */
int announce_exec(struct child *child);

/* An integer argument as the kernel's type, or EINVAL. */
int unsigned32(int64_t number, uint32_t *value);

#endif
