// SPDX-License-Identifier: GPL-2.0
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Where physical memory is in /proc/kcore; 0 if it is not there. */
static off_t kcore_offset(int kcore, uint64_t physical)
{
	Elf64_Ehdr header = { };
	Elf64_Phdr p = { };

	if (pread(kcore, &header, sizeof(header), 0) != sizeof(header))
		return 0;
	for (int i = 0; i < header.e_phnum; i++) {
		off_t at = header.e_phoff + i * sizeof(p);

		if (pread(kcore, &p, sizeof(p), at) == sizeof(p) && p.p_type == PT_LOAD &&
		    physical >= p.p_paddr && physical - p.p_paddr < p.p_filesz)
			return p.p_offset + (physical - p.p_paddr);
	}
	return 0;
}

static bool has_poison(int kcore, uint64_t frame)
{
	size_t words = page_size() / sizeof(uint64_t);
	off_t at = kcore_offset(kcore, frame * page_size());
	uint64_t page[words];

	if (!at || pread(kcore, page, sizeof(page), at) != (ssize_t)sizeof(page))
		return false;
	for (size_t i = 0; i < words; i++)
		if (page[i] != POISON)
			return false;
	return true;
}

int pages_with_poison(void)
{
	/* More than processors keep for a while, before they are put on a list (folio_batch). */
	enum { PAGES = 256 };
	int kcore = open("/proc/kcore", O_RDONLY), pagemap = proc_pagemap_open(0), found = 0;
	uint64_t entries[PAGES];
	char *map = map_alone(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, PAGES, 0);

	madvise(map, PAGES * page_size(), MADV_NOHUGEPAGE);
	memset(map, 'x', PAGES * page_size());
	if (kcore < 0 || !proc_pagemap(pagemap, (uintptr_t)map, entries, PAGES))
		found = -1;
	munmap(map, PAGES * page_size());
	for (int i = 0; i < PAGES && found >= 0; i++)
		found += has_poison(kcore, entries[i] & PM_FRAME);
	close(pagemap);
	close(kcore);
	return found;
}
