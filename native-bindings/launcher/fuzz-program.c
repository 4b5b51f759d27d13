/* libFuzzer's way into the decoder: whatever is accepted is walked as the launcher walks it, and every byte of every argument is read. */
#include "program.h"

#include <string.h>

static volatile uint8_t sink;

static void read_all(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sink ^= (uint8_t)text[i];
}

static void read_argument(const struct argument *argument)
{
	const char *at = NULL;

	if (argument->count) {
		for (uint32_t i = 0; i < argument->count; i++) {
			const char *item = list_item(argument, &at);

			read_all(item, strlen(item) + 1);
		}
	} else if (argument->text) {
		read_all(argument->text, argument->length);
	}
}

static void try_program(const uint8_t *data, size_t size)
{
	struct program program;
	struct program_error error;
	struct cursor cursor = {0};
	struct operation operation;
	uint32_t count = 0;

	if (program_check(&program, data, size, &error) < 0)
		return;
	while (program_next(&program, &cursor, &operation)) {
		count++;
		for (int i = 0; i < OPERATION_MAX_ARGUMENTS; i++)
			read_argument(&operation.arg[i]);
	}
	/* What was accepted as a whole must come out as a whole. */
	if (count != program.count || cursor.offset != program.length)
		__builtin_trap();
}

/* Once as it is, and once with a right beginning, which chance alone would seldom find. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t copy[1 << 16];

	try_program(data, size);
	if (size < 12 || size > sizeof(copy))
		return 0;
	memcpy(copy, data, size);
	memcpy(copy, "TSD1", 4);
	for (int i = 0; i < 4; i++)
		copy[4 + i] = (uint8_t)(size >> (8 * i));
	copy[9] &= 15;
	copy[10] = copy[11] = 0;
	try_program(copy, size);
	return 0;
}
