// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lens.h"
#include "targets.h"
#include "util.h"

bool has_folder(pid_t pid)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), LENS "/%d", pid);
	return !stat(path, &st);
}

const char *target_state(pid_t pid)
{
	static char state[16];
	char *text = read_file(LENS "/targets", NULL), *line, *next = text;

	*state = '\0';
	while ((line = strsep(&next, "\n"))) {
		int listed;
		char word[16];

		if (sscanf(line, "%d %15s", &listed, word) == 2 && listed == pid)
			strcpy(state, word);
	}
	free(text);
	return state;
}
