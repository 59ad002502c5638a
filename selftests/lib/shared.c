// SPDX-License-Identifier: GPL-2.0
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"
#include "util.h"

bool shared_function(char path[128])
{
	bool found = false;
	glob_t all;

	glob("/sys/bus/pci/devices/*/modalias", 0, NULL, &all);
	for (size_t i = 0; i < all.gl_pathc && !found; i++) {
		char *id = read_file(all.gl_pathv[i], NULL);

		found = id && !strncmp(id, "pci:v00001AF4d00001110", 22);
		snprintf(path, 128, "%s", dirname(all.gl_pathv[i]));
		free(id);
	}
	globfree(&all);
	return found;
}

bool shared_is_claimed(unsigned long start, unsigned long size)
{
	char *text = read_file("/proc/iomem", NULL), line[64] = " : mmlens\n";
	bool found;

	if (size)
		sprintf(line, " %08lx-%08lx : mmlens\n", start, start + size - 1);
	found = strstr(text, line);
	free(text);
	return found == !!size;
}

long shared_times_enabled(const char *function)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/enable", function);
	return read_number(path);
}
