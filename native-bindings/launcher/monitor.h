/* The monitor: what the launcher is after clone3. It holds stdio, writes the log, serves clients, reaps, and records the end. */
#ifndef TSDOCKER_MONITOR_H
#define TSDOCKER_MONITOR_H

#include "program.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

/* An int, unlike a constant of the enum below, so that an int may count to it. */
#define MAX_CLIENTS 64

enum {
	PAYLOAD_MAX = 64 * 1024,
	RECORD_HEADER = 16,
	RECORD_DROPPED = 1,   /* bytes of this stream or another were lost before this record: the disk was full */
	RECORD_CONTINUES = 2, /* the stream's previous record did not end with a newline */
	NO_HOLD = 0xffffffff,
	LOOK_MS = 25,
	LOOKS = 40,
	MONITOR_PROTOCOL = 1, /* told with S: from 1 on a client may ask for O */
};

/* The container's output on disk: DIRECTORY/log.<sequence>. */
struct log {
	int directory; /* -1: output is discarded */
	int file;      /* -1 until there is something to write */
	uint32_t sequence;
	uint32_t max_files;
	uint64_t max_bytes;
	uint64_t size;
	uint32_t held;	      /* lowest sequence that a client still needs, NO_HOLD */
	bool ignores_holds;   /* at the end: files are then kept instead */
	bool dropping;	      /* a record was lost since the last one that was written */
	bool is_damaged;      /* a part of a record could not be taken back: the file ends there */
	bool continues[3];    /* by stream */
};

int log_open(struct log *log, int directory, uint32_t sequence, uint64_t max_bytes, uint32_t max_files);
/* How many bytes of payload may be read now; 0 when a client's hold stands against the rotation that is due. */
size_t log_room(struct log *log);
/* Appends one record. `record` has RECORD_HEADER free bytes before `length` bytes of payload. Never blocks on anything but the disk. */
void log_append(struct log *log, uint8_t stream, uint8_t *record, size_t length);

/* One peer on the control socket or on monitor.sock. */
struct client {
	int fd; /* -1: free */
	uint8_t header[8];
	uint8_t body[8];
	uint32_t have;	 /* bytes of the header, then of the body */
	uint32_t length; /* payload that is still to come */
	bool in_payload;
	bool wants_log;
	bool wants_oom;
	bool owes_log; /* a position that the socket could not take yet */
	bool waits;    /* for the container to read its stdin */
	uint32_t hold;
};

/* Kills for want of memory in the control group, counted from the start of the run. */
struct oom_counter {
	int fd;
	char key[32];
	char path[4096];
	uint64_t before;
	int watched;	  /* becomes ready when something happened; -1: nobody asked, or the kernel has no such thing */
	bool is_eventfd;  /* cgroup v1, which tells of a kill before it counts it */
	uint32_t told;	  /* to clients that asked */
	uint32_t stalls, told_stalls; /* times that the group stood still for want of memory with its killer switched off */
	bool was_stalled;
	uint32_t looks;	  /* how often to look again, LOOK_MS apart */
};

struct monitor {
	int signals, listener, status, rundir;
	int output[2]; /* read ends of stdout and stderr; a terminal's master in the first */
	int input;     /* write end of stdin; with a terminal the master too */
	bool is_terminal;
	bool input_is_open;
	uint32_t input_offset, input_length; /* pending in input_bytes */
	pid_t child;
	bool has_exited;
	bool awaits_process; /* the program forks once more: that process, which says so itself, is the child then */
	bool has_init;	     /* it is the init's child that says how execve went */
	bool announced_exec, is_started, has_failed;
	bool listener_rests, terminal_rests; /* not watched for REST_MS: there is nothing to be had at the moment */
	int exit_file; /* made at the start, so that a full disk cannot keep the end from being recorded */
	int wait_status;
	struct winsize size;
	bool has_size;
	uint64_t started_ns;
	struct log log;
	struct oom_counter oom;
	struct client clients[MAX_CLIENTS];
};

/* The loop: returns the monitor's exit status once the container has ended. */
int monitor_run(struct monitor *monitor);

/* client.c */
void client_add(struct monitor *monitor, int fd);
void client_accept(struct monitor *monitor);
void client_close(struct monitor *monitor, struct client *client);
void client_readable(struct monitor *monitor, struct client *client);
bool client_has_slot(const struct monitor *monitor);
void clients_started(struct monitor *monitor);
void clients_failed(struct monitor *monitor, int32_t index, int32_t error, const char *detail, size_t length);
void clients_log_grew(struct monitor *monitor);
void client_send_log(struct monitor *monitor, struct client *client);
void clients_oom(struct monitor *monitor);

/* monitor-confine.c: gives up what the monitor does not need for the rest of its life. */
int confine_monitor(void);

/* stdio.c */
void output_readable(struct monitor *monitor, int which);
void output_drain(struct monitor *monitor);
bool input_is_ready(const struct monitor *monitor);
/* Where to put more input, and how much: nothing while some is pending. */
uint8_t *input_space(const struct monitor *monitor, size_t *room);
void input_added(struct monitor *monitor, size_t length);
void input_flush(struct monitor *monitor);
void input_close(struct monitor *monitor);
void terminal_arrived(struct monitor *monitor, int master);
void terminal_resize(struct monitor *monitor, uint16_t rows, uint16_t columns);

/* record.c */
uint64_t now_ns(void);
int listen_in(int directory);
int oom_open(struct oom_counter *counter, const char *path, const char *key);
bool oom_happened(const struct oom_counter *counter);
/* From now on `watched` is ready when there may be something new. */
void oom_watch(struct oom_counter *counter);
/* Takes that up. True when the numbers have changed. */
bool oom_look(struct oom_counter *counter);
bool oom_poll(struct oom_counter *counter);
int write_started(struct monitor *monitor);
int write_exit(const struct monitor *monitor);

#endif
