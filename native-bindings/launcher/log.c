/*
 * The log. A record is one write(2) to a file opened for appending: readers see it whole, or, after a crash, a part at the end that
 * they ignore. A full disk loses records, says so in the next one, and never stops the container.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { UNLINK_AT_ONCE = 1024 };

static void file_name(char name[16], uint32_t sequence)
{
	char digits[10];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + sequence % 10);
		sequence /= 10;
	} while (sequence);
	memcpy(name, "log.", 4);
	for (size_t i = 0; i < count; i++)
		name[4 + i] = digits[count - 1 - i];
	name[4 + count] = 0;
}

static uint32_t big32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Where the last whole record ends: a power cut or a killed monitor may have left a part, after which nothing could be read. */
static int64_t end_of_records(int fd)
{
	static uint8_t window[64 * 1024];
	int64_t end = lseek(fd, 0, SEEK_END), at = 0, begin = 0, have = 0;

	while (end - at >= RECORD_HEADER) {
		const uint8_t *header;
		uint32_t length;

		if (at + RECORD_HEADER > begin + have) {
			begin = at;
			have = pread(fd, window, sizeof(window), at);
			if (have < RECORD_HEADER)
				return -1;
		}
		header = window + (at - begin);
		length = big32(header + 4);
		if ((header[0] != 1 && header[0] != 2) || length > PAYLOAD_MAX || length > end - at - RECORD_HEADER)
			break;
		at += RECORD_HEADER + length;
	}
	return at;
}

/* Opens the file of the current sequence number for appending; size is what is in it. */
static int open_file(struct log *log, int create)
{
	char name[16];
	int64_t end;
	int fd, saved;

	file_name(name, log->sequence);
	fd = openat(log->directory, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | create, 0600);
	if (fd < 0)
		return -1;
	end = end_of_records(fd);
	if (end < 0 || ftruncate(fd, end) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	log->file = fd;
	log->size = (uint64_t)end;
	return 0;
}

/* A new file waits for the first record: many containers write nothing, and making a file is the slowest part of a start on some disks. */
int log_open(struct log *log, int directory, uint32_t sequence, uint64_t max_bytes, uint32_t max_files)
{
	*log = (struct log){
	    .directory = directory,
	    .file = -1,
	    .sequence = sequence,
	    .max_bytes = max_bytes,
	    .max_files = max_files,
	    .held = NO_HOLD,
	};
	return open_file(log, 0) < 0 && errno != ENOENT ? -1 : 0;
}

/* True when a file that a client has not read yet would have to go for the next one. */
static bool rotation_is_held(const struct log *log)
{
	if (log->ignores_holds || log->max_files == 0)
		return false;
	return log->sequence + 1 >= log->max_files && log->held <= log->sequence + 1 - log->max_files;
}

static void remove_old(const struct log *log)
{
	char name[16];
	uint32_t sequence;

	if (log->max_files == 0 || log->sequence < log->max_files)
		return;
	sequence = log->sequence - log->max_files;
	/* At the end holds delay nothing, so files stay instead: at most what was in the pipes. */
	if (log->held <= sequence) {
		if (log->held == 0)
			return;
		sequence = log->held - 1;
	}
	for (int i = 0; i < UNLINK_AT_ONCE; i++) {
		file_name(name, sequence);
		if (unlinkat(log->directory, name, 0) < 0 || sequence == 0)
			return;
		sequence--;
	}
}

static bool rotate(struct log *log)
{
	char name[16];
	int fd;

	file_name(name, log->sequence + 1);
	fd = openat(log->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	if (log->file >= 0)
		close(log->file);
	log->file = fd;
	log->sequence++;
	log->size = 0;
	log->is_damaged = false;
	remove_old(log);
	return true;
}

static bool is_full(const struct log *log)
{
	return log->is_damaged || (log->max_bytes && log->size + RECORD_HEADER >= log->max_bytes);
}

size_t log_room(struct log *log)
{
	uint64_t room;

	if (log->directory < 0)
		return PAYLOAD_MAX;
	if (is_full(log)) {
		if (rotation_is_held(log))
			return 0;
		/* No new file to be had (no inode, no space): what comes is lost, as on a full disk. */
		if (!rotate(log))
			return PAYLOAD_MAX;
	}
	if (!log->max_bytes)
		return PAYLOAD_MAX;
	room = log->max_bytes > log->size + RECORD_HEADER ? log->max_bytes - log->size - RECORD_HEADER : 1;
	return room < PAYLOAD_MAX ? (size_t)room : PAYLOAD_MAX;
}

static void fill_header(uint8_t *header, uint8_t stream, uint8_t flags, size_t length, uint64_t time_ns)
{
	header[0] = stream;
	header[1] = flags;
	header[2] = header[3] = 0;
	for (int i = 0; i < 4; i++)
		header[4 + i] = (uint8_t)(length >> (24 - 8 * i));
	for (int i = 0; i < 8; i++)
		header[8 + i] = (uint8_t)(time_ns >> (56 - 8 * i));
}

/*
 * An empty record says where the gap begins: what follows it tells as well, but nothing may follow. It is so small that it often fits into
 * the file's last block.
 */
static void mark_gap(struct log *log, uint8_t stream)
{
	uint8_t mark[RECORD_HEADER];
	ssize_t written;

	if (is_full(log) || log->file < 0)
		return;
	fill_header(mark, stream, RECORD_DROPPED, 0, now_ns());
	written = write(log->file, mark, sizeof mark);
	if (written == (ssize_t)sizeof mark)
		log->size += sizeof mark;
	else if (written > 0 && ftruncate(log->file, (off_t)log->size) < 0)
		log->is_damaged = true;
}

void log_append(struct log *log, uint8_t stream, uint8_t *record, size_t length)
{
	size_t total = RECORD_HEADER + length;
	uint8_t flags = (uint8_t)((log->dropping ? RECORD_DROPPED : 0) | (log->continues[stream] ? RECORD_CONTINUES : 0));
	ssize_t written = -1;

	if (log->directory < 0)
		return;
	fill_header(record, stream, flags, length, now_ns());
	log->continues[stream] = record[total - 1] != '\n';
	if (!is_full(log) && (log->file >= 0 || open_file(log, O_CREAT) == 0))
		written = write(log->file, record, total);
	if (written == (ssize_t)total) {
		log->size += total;
		log->dropping = false;
		return;
	}
	if (written > 0 && ftruncate(log->file, (off_t)log->size) < 0)
		log->is_damaged = true;
	if (!log->dropping)
		mark_gap(log, stream);
	log->dropping = true;
}
