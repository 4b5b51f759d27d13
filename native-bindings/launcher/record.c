/* What the monitor leaves in its run directory: the socket, `started`, `exit`; and the counter that tells an OOM kill. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_MAX = 512, EXIT_BYTES = 256, COUNTER_MAX = 4096, LISTEN_BACKLOG = 128 };

/* A text that grows to a fixed size; every caller's fits by construction. */
struct text {
	char at[RECORD_MAX];
	size_t length;
};

static void add(struct text *text, const char *more)
{
	size_t length = strlen(more);

	if (length > sizeof(text->at) - text->length)
		abort();
	memcpy(text->at + text->length, more, length);
	text->length += length;
}

static void add_number(struct text *text, uint64_t number)
{
	char digits[21];
	size_t at = sizeof(digits) - 1;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	add(text, digits + at);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A socket's path may have 107 bytes, a run directory any number: /proc/self/fd shortens it. */
int listen_in(int directory)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct text path = {.length = 0};
	int fd, saved;
	mode_t mask;

	add(&path, "/proc/self/fd/");
	add_number(&path, (uint64_t)directory);
	add(&path, "/monitor.sock");
	if (path.length >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path.at, path.length);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		fd = -1;
	}
	umask(mask);
	return fd;
}

/* Synced, renamed, directory synced: after a power cut there is the whole record or none. */
static int put_in_place(int directory, int fd, const char *aside, const char *name)
{
	if (fsync(fd) < 0 || renameat(directory, aside, directory, name) < 0)
		return -1;
	return fsync(directory);
}

static int create(int directory, const char *name)
{
	return openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Blanks, which a JSON text may end with: the record's blocks and its name are allocated while there is still room. */
static int reserve_exit(struct monitor *monitor)
{
	char blanks[EXIT_BYTES];

	memset(blanks, ' ', sizeof(blanks));
	monitor->exit_file = create(monitor->rundir, "exit.new");
	if (monitor->exit_file < 0)
		return -1;
	return write(monitor->exit_file, blanks, sizeof(blanks)) == sizeof(blanks) ? 0 : -1;
}

int write_started(struct monitor *monitor)
{
	struct text text = {.length = 0};
	int fd, result = -1;

	if (monitor->rundir < 0)
		return 0;
	if (reserve_exit(monitor) < 0)
		return -1;
	add(&text, "{\"pid\":");
	add_number(&text, (uint64_t)monitor->child);
	add(&text, ",\"monitor\":");
	add_number(&text, (uint64_t)getpid());
	add(&text, ",\"startedNs\":\"");
	add_number(&text, monitor->started_ns);
	add(&text, "\"}\n");
	fd = create(monitor->rundir, "started.new");
	if (fd < 0)
		return -1;
	if (write(fd, text.at, text.length) == (ssize_t)text.length)
		result = put_in_place(monitor->rundir, fd, "started.new", "started");
	close(fd);
	return result;
}

int write_exit(const struct monitor *monitor)
{
	struct text text = {.length = 0};
	int status = monitor->wait_status;
	bool was_killed = WIFSIGNALED(status);

	if (monitor->rundir < 0)
		return 0;
	add(&text, "{\"code\":");
	add_number(&text, (uint64_t)(was_killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status)));
	add(&text, ",\"signal\":");
	add_number(&text, (uint64_t)(was_killed ? WTERMSIG(status) : 0));
	add(&text, ",\"startedNs\":\"");
	add_number(&text, monitor->started_ns);
	add(&text, "\",\"finishedNs\":\"");
	add_number(&text, now_ns());
	add(&text, "\",\"oomKilled\":");
	add(&text, oom_happened(&monitor->oom) ? "true" : "false");
	add(&text, "}\n");
	if (pwrite(monitor->exit_file, text.at, text.length, 0) != (ssize_t)text.length)
		return -1;
	return put_in_place(monitor->rundir, monitor->exit_file, "exit.new", "exit");
}

/* The number after `key` and a space at the start of a line; 0 when the kernel has no such counter. */
static uint64_t read_counter(int fd, const char *key)
{
	static char content[COUNTER_MAX + 1];
	ssize_t count = pread(fd, content, COUNTER_MAX, 0);
	size_t length = strlen(key);

	if (count <= 0)
		return 0;
	content[count] = 0;
	for (const char *line = content; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return strtoull(line + length + 1, NULL, 10);
	}
	return 0;
}

int oom_open(struct oom_counter *counter, const char *path, const char *key)
{
	size_t length = strlen(key);

	if (length == 0 || length >= sizeof(counter->key)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(counter->key, key, length + 1);
	length = strlen(path);
	if (length >= sizeof(counter->path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(counter->path, path, length + 1);
	counter->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (counter->fd < 0)
		return -1;
	counter->before = read_counter(counter->fd, counter->key);
	return 0;
}

bool oom_happened(const struct oom_counter *counter)
{
	return counter->fd >= 0 && read_counter(counter->fd, counter->key) > counter->before;
}

/* cgroup v1: an eventfd that the kernel counts up, registered in a file beside the counter (cgroups-v1/memory.rst, 10). */
static int register_eventfd(const struct oom_counter *counter)
{
	static const char name[] = "/cgroup.event_control";
	char path[sizeof(counter->path) + sizeof(name)];
	const char *slash = strrchr(counter->path, '/');
	struct text text = {.length = 0};
	size_t length = slash ? (size_t)(slash - counter->path) : 0;
	int fd, control;
	bool is_done;

	memcpy(path, counter->path, length);
	memcpy(path + length, name, sizeof(name));
	control = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (control < 0)
		return -1;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd >= 0) {
		add_number(&text, (uint64_t)fd);
		add(&text, " ");
		add_number(&text, (uint64_t)counter->fd);
		is_done = write(control, text.at, text.length) == (ssize_t)text.length;
		if (!is_done) {
			close(fd);
			fd = -1;
		}
	}
	close(control);
	return fd;
}

void oom_watch(struct oom_counter *counter)
{
	const char *slash = strrchr(counter->path, '/');

	if (counter->fd < 0 || counter->watched >= 0)
		return;
	counter->is_eventfd = slash && strcmp(slash, "/memory.oom_control") == 0;
	counter->watched = counter->is_eventfd ? register_eventfd(counter) : counter->fd;
	/* What happened before is told too. */
	counter->looks = 1;
}

bool oom_look(struct oom_counter *counter)
{
	uint64_t now = read_counter(counter->fd, counter->key), kills = now > counter->before ? now - counter->before : 0;
	uint32_t told = kills > UINT32_MAX ? UINT32_MAX : (uint32_t)kills;
	bool is_stalled = read_counter(counter->fd, "oom_kill_disable") == 1 && read_counter(counter->fd, "under_oom") == 1;
	bool is_new;

	if (counter->looks > 0)
		counter->looks--;
	if (is_stalled && !counter->was_stalled)
		counter->stalls++;
	counter->was_stalled = is_stalled;
	is_new = told != counter->told || counter->stalls != counter->told_stalls;
	counter->told = told;
	counter->told_stalls = counter->stalls;
	return is_new;
}

bool oom_poll(struct oom_counter *counter)
{
	uint64_t count;
	char byte;

	/* The group is gone, which poll would tell of for ever. */
	if (!counter->is_eventfd && pread(counter->fd, &byte, 1, 0) < 0) {
		counter->watched = -1;
		return false;
	}
	/* Told of a kill before it is done: so it is looked for a while longer. */
	if (counter->is_eventfd && read(counter->watched, &count, sizeof(count)) == sizeof(count))
		counter->looks = LOOKS;
	return oom_look(counter);
}
