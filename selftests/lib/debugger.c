// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "debugger.h"
#include "util.h"

/* The next line of the port is this one. */
static bool answers(int fd, const char *word)
{
	char line[16] = "";

	for (size_t i = 0; i < sizeof(line) - 1 && !strchr(line, '\n'); i++)
		if (read(fd, line + i, 1) != 1)
			return false;
	line[strcspn(line, "\n")] = '\0';
	return !strcmp(line, word);
}

int debugger_watch(uint64_t address, size_t size, uint32_t value, unsigned int milliseconds)
{
	int fd = host_port("mmlens.debugger");

	if (fd < 0)
		return -1;
	dprintf(fd, "%" PRIx64 " %zu %" PRIu32 " %u\n", address, size, value, milliseconds);
	if (answers(fd, "watching"))
		return fd;
	close(fd);
	return -1;
}

bool debugger_met(int fd)
{
	bool met = answers(fd, "met");

	close(fd);
	return met;
}
