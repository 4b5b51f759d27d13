/*
 * The decoder. It is given bytes by the daemon, which is trusted, but a mistake there must not become a mount of something
 * else here: whatever does not fit the table in opcodes.def is refused before the first operation runs. Allocates nothing, so
 * that a fuzzer can drive it (fuzz-program.c).
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { HEADER_BYTES = 12 };

struct opcode_info {
	const char *name;
	const char *signature;
	char phase;
};

enum { m = 'm', c = 'c', a = 'a' };

static const struct opcode_info opcodes[256] = {
#define OP(number, name, signature, phase) [number] = {#name, signature, phase},
#include "opcodes.def"
#undef OP
};

struct reader {
	const uint8_t *bytes;
	uint32_t length;
	uint32_t offset;
};

static bool take(struct reader *reader, uint32_t count, const uint8_t **at)
{
	if (count > reader->length - reader->offset)
		return false;
	*at = reader->bytes + reader->offset;
	reader->offset += count;
	return true;
}

static uint32_t little32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool take32(struct reader *reader, uint32_t *value)
{
	const uint8_t *at;

	if (!take(reader, 4, &at))
		return false;
	*value = little32(at);
	return true;
}

static bool take_number(struct reader *reader, int64_t *value)
{
	uint32_t low, high;

	if (!take32(reader, &low) || !take32(reader, &high))
		return false;
	*value = (int64_t)((uint64_t)high << 32 | low);
	return true;
}

/* A NUL inside would give the kernel another string than the one that was checked and shown. */
static bool take_string(struct reader *reader, struct argument *argument)
{
	const uint8_t *at;

	if (!take32(reader, &argument->length) || argument->length == UINT32_MAX)
		return false;
	if (!take(reader, argument->length + 1, &at))
		return false;
	argument->text = (const char *)at;
	return memchr(at, 0, (size_t)argument->length + 1) == at + argument->length;
}

static bool take_list(struct reader *reader, struct argument *argument)
{
	struct argument item;

	if (!take32(reader, &argument->count))
		return false;
	argument->text = (const char *)reader->bytes + reader->offset;
	for (uint32_t i = 0; i < argument->count; i++) {
		if (!take_string(reader, &item))
			return false;
	}
	return true;
}

static bool take_argument(struct reader *reader, char letter, struct argument *argument)
{
	const uint8_t *at;

	switch (letter) {
	case 'i':
		return take_number(reader, &argument->number);
	case 'f':
		if (!take_number(reader, &argument->number))
			return false;
		return argument->number == AT_FDCWD || argument->number == -1 ||
		       (argument->number >= PROGRAM_FIRST_FD && argument->number <= PROGRAM_LAST_FD);
	case 'd':
		if (!take_number(reader, &argument->number))
			return false;
		return argument->number >= PROGRAM_FIRST_FD && argument->number <= PROGRAM_LAST_FD;
	case 's':
		return take_string(reader, argument);
	case 'b':
		if (!take32(reader, &argument->length) || !take(reader, argument->length, &at))
			return false;
		argument->text = (const char *)at;
		return true;
	case 'l':
		return take_list(reader, argument);
	default:
		return false;
	}
}

/* Returns NULL, or what is wrong. */
static const char *take_operation(struct reader *reader, struct operation *operation)
{
	const struct opcode_info *info;
	const uint8_t *at;

	memset(operation, 0, sizeof(*operation));
	if (!take(reader, 4, &at))
		return "the program ends inside an operation";
	info = &opcodes[at[0]];
	if (!info->name)
		return "unknown opcode";
	operation->code = at[0];
	operation->name = info->name;
	operation->flags = (uint16_t)(at[2] | at[3] << 8);
	if (at[1] != strlen(info->signature))
		return "wrong number of arguments";
	if (operation->flags & ~OPERATION_IGNORE_MISSING)
		return "unknown flag";
	for (uint32_t i = 0; info->signature[i]; i++) {
		if (!take_argument(reader, info->signature[i], &operation->arg[i]))
			return "malformed argument";
	}
	return NULL;
}

static int highest_fd(const struct operation *operation)
{
	const char *signature = opcodes[operation->code].signature;
	int highest = 2;

	for (uint32_t i = 0; signature[i]; i++) {
		if ((signature[i] == 'f' || signature[i] == 'd') && operation->arg[i].number > highest)
			highest = (int)operation->arg[i].number;
	}
	return highest;
}

/* The order of operations: what may appear once, where, and what must appear. */
struct order {
	uint32_t seen[256];
	bool in_child;
	uint8_t previous;
};

static const char *check_order(struct order *order, const struct operation *operation)
{
	char phase = opcodes[operation->code].phase;

	if (order->previous == OP_execve)
		return "execve must be the last operation";
	if (order->previous == OP_init && operation->code != OP_execve)
		return "init must come right before execve";
	if (phase == (order->in_child ? 'm' : 'c'))
		return order->in_child ? "not allowed after clone3" : "not allowed before clone3";
	order->seen[operation->code]++;
	order->previous = operation->code;
	if (operation->code == OP_clone3)
		order->in_child = true;
	if (operation->code == OP_setsid && order->seen[OP_dup_stdio])
		return "setsid must come before dup_stdio";
	return NULL;
}

static const char *check_whole(const struct program *program, const struct order *order)
{
	static const uint8_t at_most_once[] = {OP_log, OP_rundir, OP_stdio, OP_oom,	 OP_clone3,
					       OP_pty, OP_init,	  OP_setsid, OP_dup_stdio, OP_execve};

	for (size_t i = 0; i < sizeof(at_most_once); i++) {
		if (order->seen[at_most_once[i]] > 1)
			return "an operation that may appear once appears twice";
	}
	if (order->previous != OP_execve || !order->in_child)
		return "clone3 and execve are missing";
	/* Without it the process would keep what the launcher has at 0, 1 and 2. */
	if (!order->seen[OP_dup_stdio])
		return "dup_stdio is missing";
	if ((order->seen[OP_pty] != 0) != ((program->stdio_flags & STDIO_TTY) != 0))
		return "pty and the tty flag of stdio belong together";
	return NULL;
}

static int refuse(struct program_error *error, int32_t index, int number, const char *text)
{
	*error = (struct program_error){.index = index, .error = number, .text = text};
	return -1;
}

int program_check(struct program *program, const uint8_t *bytes, size_t length, struct program_error *error)
{
	struct reader reader = {.bytes = bytes, .offset = HEADER_BYTES};
	struct operation operation;
	struct order order = {.previous = 0};
	const char *wrong;

	if (length > PROGRAM_MAX_BYTES)
		return refuse(error, -1, E2BIG, "the program is too long");
	if (length < HEADER_BYTES || memcmp(bytes, "TSD1", 4) != 0)
		return refuse(error, -1, EINVAL, "no program");
	if (little32(bytes + 4) != length)
		return refuse(error, -1, EINVAL, "the program has another length than it says");
	*program = (struct program){
	    .bytes = bytes, .length = (uint32_t)length, .count = little32(bytes + 8), .highest_fd = PROGRAM_FIRST_FD - 1};
	if (program->count > PROGRAM_MAX_OPS)
		return refuse(error, -1, E2BIG, "too many operations");
	reader.length = program->length;
	for (uint32_t i = 0; i < program->count; i++) {
		wrong = take_operation(&reader, &operation);
		if (!wrong)
			wrong = check_order(&order, &operation);
		if (wrong)
			return refuse(error, (int32_t)i, EINVAL, wrong);
		if (highest_fd(&operation) > program->highest_fd)
			program->highest_fd = highest_fd(&operation);
		if (operation.code == OP_stdio) {
			if (operation.arg[0].number & ~(int64_t)(STDIO_TTY | STDIO_STDIN_OPEN))
				return refuse(error, (int32_t)i, EINVAL, "unknown stdio flag");
			program->stdio_flags = (uint32_t)operation.arg[0].number;
		}
	}
	if (reader.offset != reader.length)
		return refuse(error, -1, EINVAL, "bytes after the last operation");
	wrong = check_whole(program, &order);
	return wrong ? refuse(error, -1, EINVAL, wrong) : 0;
}

bool program_next(const struct program *program, struct cursor *cursor, struct operation *operation)
{
	struct reader reader = {.bytes = program->bytes, .length = program->length};

	if (cursor->index >= program->count)
		return false;
	reader.offset = cursor->offset ? cursor->offset : HEADER_BYTES;
	if (take_operation(&reader, operation) != NULL)
		return false;
	operation->index = cursor->index++;
	cursor->offset = reader.offset;
	return true;
}

const char *list_item(const struct argument *list, const char **at)
{
	const char *item = *at ? *at : list->text;
	uint32_t length = little32((const uint8_t *)item);

	*at = item + 4 + length + 1;
	return item + 4;
}
