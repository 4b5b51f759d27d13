/*
 * The program: its binary form, checked as a whole before any of it runs. Little endian: "TSD1", u32 total length,
 * u32 number of operations; each operation u8 opcode, u8 number of arguments, u16 flags, then the arguments as typed by opcodes.def:
 * i, f, d: i64; s: u32 length, bytes, NUL; b: u32 length, bytes; l: u32 count, then that many s.
 */
#ifndef TSDOCKER_PROGRAM_H
#define TSDOCKER_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROGRAM_MAX_BYTES = 4 * 1024 * 1024,
	PROGRAM_MAX_OPS = 4096,
	PROGRAM_FIRST_FD = 3,
	PROGRAM_LAST_FD = 1023,
	OPERATION_MAX_ARGUMENTS = 5,
	OPERATION_IGNORE_MISSING = 1,
	STDIO_TTY = 1,
	STDIO_STDIN_OPEN = 2,
};

enum opcode {
#define OP(number, name, signature, phase) OP_##name = number,
#include "opcodes.def"
#undef OP
};

struct argument {
	int64_t number;
	const char *text; /* s: with its NUL; b: bytes; l: the first item's length field */
	uint32_t length;  /* s, b: bytes, without the NUL */
	uint32_t count;   /* l: items */
};

struct operation {
	const char *name;
	uint32_t index;
	uint8_t code;
	uint16_t flags;
	struct argument arg[OPERATION_MAX_ARGUMENTS];
};

struct program {
	const uint8_t *bytes;
	uint32_t length;
	uint32_t count;
	int highest_fd;       /* named by any operation, at least 2: the launcher's own fds lie above it */
	uint32_t stdio_flags; /* STDIO_* */
};

struct cursor {
	uint32_t offset;
	uint32_t index;
};

struct program_error {
	int32_t index; /* of the operation, -1 for the header */
	int error;     /* errno */
	const char *text;
};

/* Checks lengths, opcodes, types and order. Returns 0, or -1 with *error filled. `bytes` must outlive the program. */
int program_check(struct program *program, const uint8_t *bytes, size_t length, struct program_error *error);

/* Walks a checked program: true and *operation, or false at the end. A cursor begins as {0}. */
bool program_next(const struct program *program, struct cursor *cursor, struct operation *operation);

/* The item at *at (NULL: the first) of a list; moves *at to the next. Call it `count` times at most. */
const char *list_item(const struct argument *list, const char **at);

#endif
