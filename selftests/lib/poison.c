// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "poison.h"
#include "proc.h"
#include "util.h"

uint64_t last_frame(const char *resource)
{
	char *text = read_file("/proc/iomem", NULL), *rest = text, *line;
	uint64_t last = 0, end;

	while (rest && (line = strsep(&rest, "\n"))) {
		char *name = strstr(line, " : ");

		if (name && !strncmp(name + 3, resource, strlen(resource)) &&
		    sscanf(line, "%*x-%lx", &end) == 1 && end > last)
			last = end;
	}
	free(text);
	return last / page_size();
}

struct places places_now(void)
{
	struct places places = { .last_frame = last_frame("") };
	char *text = read_file("/proc/swaps", NULL);

	/* Below a heading; numbered from 0 on, unless an area in the middle was taken away. */
	for (char *line = text; line && (line = strchr(line, '\n')) && *++line; )
		places.swaps++;
	free(text);
	return places;
}

/* The number behind a word that ends with = or a space. */
static bool number_behind(const char *line, const char *word, int base, uint64_t *number)
{
	const char *at = strstr(line, word);

	if (at)
		*number = strtoull(at + strlen(word), NULL, base);
	return at;
}

bool line_is_wrong(const char *line, const struct places *places)
{
	uint64_t number;

	if (strstr(line, " bad "))
		return true;
	/* The frame is the first number that is written so; of frames in no order there is none. */
	if (number_behind(line, " 0x", 16, &number) && number > places->last_frame)
		return true;
	if (number_behind(line, " other=0x", 16, &number) &&
	    (number & POISON_OTHER) == POISON_OTHER)
		return true;
	return strstr(line, " swap ") && number_behind(line, " type=", 10, &number) &&
	       number >= places->swaps;
}
