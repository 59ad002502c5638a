// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "lens.h"
#include "lens_parse.h"
#include "util.h"

static struct kernel_region *new_region(struct kernel_text *text)
{
	text->region = grow(text->region, text->nr_regions, sizeof(*text->region));
	memset(&text->region[text->nr_regions], 0, sizeof(*text->region));
	return &text->region[text->nr_regions++];
}

int kernel_layout(struct kernel_text *layout)
{
	char *lines, *rest, *line;
	int ret = 0;

	*layout = (struct kernel_text) { .wx = -1 };
	layout->text = read_file(LENS "/kernel/layout", NULL);
	if (!layout->text)
		return -errno;
	lines = strdup(layout->text);
	rest = lines;
	while (!ret && (line = strsep(&rest, "\n"))) {
		struct kernel_region *r;
		char size[24];
		uint64_t end;
		int name = 0;

		/* Others are "name: value", or headings. */
		if (strlen(line) < 33 || line[16] != '-')
			continue;
		r = new_region(layout);
		if (sscanf(line, "%16lx-%16lx %23s%n", &r->start, &end, size, &name) != 3 ||
		    sscanf(line + name, "%23s", r->name) != 1)
			ret = -EBADMSG;
		r->part = !strncmp(line + name, "   ", 3);
		r->last = end - 1;
	}
	free(lines);
	return ret;
}

int kernel_tables(const char *file, struct kernel_text *tables)
{
	char path[64], *lines, *rest, *line;
	int ret = 0;

	*tables = (struct kernel_text) { .wx = -1 };
	snprintf(path, sizeof(path), LENS "/kernel/%s", file);
	tables->text = read_file(path, NULL);
	if (!tables->text)
		return -errno;
	lines = strdup(tables->text);
	rest = lines;
	while (!ret && (line = strsep(&rest, "\n")) && *line) {
		struct kernel_run *run;
		char size[16], pfn[16];

		if (!strncmp(line, "# not walked: ", 14) && tables->nr_regions)
			tables->region[tables->nr_regions - 1].skipped = true;
		tables->torn |= *line == '#' && strstr(line, ": not of the tables above: ");
		if (*line == '#' || sscanf(line, "w+x: %ld pages", &tables->wx) == 1)
			continue;
		if (!strncmp(line, "region ", 7)) {
			struct kernel_region *r = new_region(tables);

			if (sscanf(line, "region %16lx-%16lx %23s", &r->start, &r->last,
				   r->name) != 3)
				ret = -EBADMSG;
			r->last--;
			continue;
		}
		tables->run = grow(tables->run, tables->nr, sizeof(*tables->run));
		run = &tables->run[tables->nr++];
		memset(run, 0, sizeof(*run));
		if (sscanf(line, "%16lx-%16lx %15s %7s %11s %lu %15s %3s %3s", &run->start,
			   &run->end, size, run->level, run->kind, &run->count, pfn, run->rwx,
			   run->eff) != 9 || !tables->nr_regions)
			ret = -EBADMSG;
		run->has_pfn = parse_0x(pfn, &run->pfn);
		run->region = tables->nr_regions - 1;
	}
	free(lines);
	return ret;
}

void kernel_free(struct kernel_text *text)
{
	free(text->text);
	free(text->region);
	free(text->run);
}

const struct kernel_region *kernel_find(const struct kernel_text *text, const char *name)
{
	for (size_t i = 0; i < text->nr_regions; i++) {
		if (!strcmp(text->region[i].name, name))
			return &text->region[i];
	}
	return NULL;
}

uint64_t kernel_number(const struct kernel_text *layout, const char *name)
{
	char pattern[40];
	const char *line;

	snprintf(pattern, sizeof(pattern), "%s: ", name);
	line = strstr(layout->text, pattern);
	if (!line || (line != layout->text && line[-1] != '\n'))
		return ~0UL;
	line += strlen(pattern);
	return *line == '-' ? -strtoull(line + 1, NULL, 0) : strtoull(line, NULL, 0);
}
