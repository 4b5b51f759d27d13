/* The container's streams: output goes to the log, input comes from clients, one piece at a time. */
#include "monitor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
	/* After the first process has ended, output of a terminal may still be on its way through the kernel's work queue while a
	 * process in the background keeps the slave open. */
	TERMINAL_GRACE_MS = 20,
	INPUT_MAX = 16 * 1024,
};

static uint8_t record[RECORD_HEADER + PAYLOAD_MAX];
static uint8_t input_bytes[INPUT_MAX];

static void close_output(struct monitor *monitor, int which)
{
	close(monitor->output[which]);
	monitor->output[which] = -1;
}

/* Reads at most `limit` bytes into the log. Returns the bytes read, 0 when there is nothing now, -1 when the stream has ended. */
static ssize_t copy_output(struct monitor *monitor, int which, size_t limit)
{
	size_t room = log_room(&monitor->log);
	ssize_t count;

	if (room == 0)
		return 0;
	count = read(monitor->output[which], record + RECORD_HEADER, room < limit ? room : limit);
	if (count > 0) {
		log_append(&monitor->log, (uint8_t)(which + 1), record, (size_t)count);
		return count;
	}
	/* A master whose slaves are all closed answers EIO. */
	return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void output_readable(struct monitor *monitor, int which)
{
	ssize_t count = copy_output(monitor, which, PAYLOAD_MAX);

	if (count > 0)
		clients_log_grew(monitor);
	if (count >= 0)
		return;
	/* Nobody has the slave open just now; an init system may open /dev/console again, so this is no end before its process's. */
	if (monitor->is_terminal)
		monitor->terminal_rests = true;
	else
		close_output(monitor, which);
}

/* Only what is in the pipe now: a process in the background that goes on writing must not keep the end from coming. */
static void drain_pipe(struct monitor *monitor, int which)
{
	int available = 0;
	ssize_t count;

	if (ioctl(monitor->output[which], FIONREAD, &available) < 0)
		return;
	while (available > 0) {
		count = copy_output(monitor, which, (size_t)available);
		if (count <= 0)
			return;
		available -= (int)count;
	}
}

static void drain_terminal(struct monitor *monitor)
{
	enum { LIMIT = 256 * 1024 };
	struct pollfd master = {.fd = monitor->output[0], .events = POLLIN};
	size_t total = 0;
	ssize_t count;

	while (total < LIMIT && poll(&master, 1, TERMINAL_GRACE_MS) > 0) {
		count = copy_output(monitor, 0, PAYLOAD_MAX);
		if (count < 0)
			return;
		total += (size_t)count;
	}
}

void output_drain(struct monitor *monitor)
{
	monitor->log.ignores_holds = true;
	for (int which = 0; which < 2; which++) {
		if (monitor->output[which] < 0)
			continue;
		if (monitor->is_terminal)
			drain_terminal(monitor);
		else
			drain_pipe(monitor, which);
	}
	clients_log_grew(monitor);
}

bool input_is_ready(const struct monitor *monitor)
{
	return monitor->input_length == 0 && !(monitor->is_terminal && monitor->input < 0 && !monitor->is_started);
}

uint8_t *input_space(const struct monitor *monitor, size_t *room)
{
	*room = input_is_ready(monitor) ? INPUT_MAX : 0;
	return input_bytes;
}

void input_added(struct monitor *monitor, size_t length)
{
	monitor->input_offset = 0;
	monitor->input_length = (uint32_t)length;
	input_flush(monitor);
}

void input_flush(struct monitor *monitor)
{
	ssize_t count;

	while (monitor->input_length) {
		if (monitor->input < 0 || !monitor->input_is_open) {
			monitor->input_length = 0;
			return;
		}
		count = write(monitor->input, input_bytes + monitor->input_offset, monitor->input_length);
		if (count < 0) {
			if (errno == EAGAIN || errno == EINTR)
				return;
			/* Nobody reads any more: what else comes is thrown away, as a pipe in a shell would do it. */
			monitor->input_length = 0;
			input_close(monitor);
			return;
		}
		monitor->input_offset += (uint32_t)count;
		monitor->input_length -= (uint32_t)count;
	}
}

/* A terminal has no end of input but ^D, which is the user's to type. */
void input_close(struct monitor *monitor)
{
	if (monitor->is_terminal)
		return;
	if (monitor->input >= 0)
		close(monitor->input);
	monitor->input = -1;
	monitor->input_is_open = false;
}

void terminal_arrived(struct monitor *monitor, int master)
{
	monitor->output[0] = master;
	monitor->input = monitor->input_is_open ? master : -1;
	if (monitor->has_size)
		ioctl(master, TIOCSWINSZ, &monitor->size);
}

void terminal_resize(struct monitor *monitor, uint16_t rows, uint16_t columns)
{
	monitor->size = (struct winsize){.ws_row = rows, .ws_col = columns};
	monitor->has_size = true;
	if (monitor->is_terminal && monitor->output[0] >= 0)
		ioctl(monitor->output[0], TIOCSWINSZ, &monitor->size);
}
