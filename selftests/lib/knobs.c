// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "knobs.h"
#include "util.h"

#define MAX_KNOBS 16

static struct {
	char path[128], text[64];
} knobs[MAX_KNOBS];
static int nr_knobs;
static bool has_swap;
/* Who has made it: others have it by fork. */
static pid_t swap_owner;

/* What to write to have this again: of "always [madvise] never" the word in brackets. */
static void chosen_word(char *text)
{
	char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	if (close) {
		*close = '\0';
		memmove(text, open + 1, close - open);
	}
	text[strcspn(text, "\n")] = '\0';
}

int knob_set(const char *path, const char *text)
{
	char *before = read_file(path, NULL);
	int ret = before ? 0 : -errno;

	if (!ret && nr_knobs == MAX_KNOBS)
		ret = -ENOSPC;
	if (!ret) {
		chosen_word(before);
		ret = write_file(path, text);
	}
	if (!ret) {
		snprintf(knobs[nr_knobs].path, sizeof(knobs->path), "%s", path);
		snprintf(knobs[nr_knobs].text, sizeof(knobs->text), "%s", before);
		nr_knobs++;
	}
	free(before);
	return ret;
}

int knob_huge_pages(long kib, long nr)
{
	char pool[64], path[96], number[24];
	long free, all;
	int ret;

	snprintf(pool, sizeof(pool), "/sys/kernel/mm/hugepages/hugepages-%ldkB", kib);
	snprintf(path, sizeof(path), "%s/free_hugepages", pool);
	free = read_number(path);
	snprintf(path, sizeof(path), "%s/nr_hugepages", pool);
	all = read_number(path);
	if (free < 0 || all < 0)
		return -ENOENT;
	if (free >= nr)
		return 0;
	snprintf(number, sizeof(number), "%ld", all + nr - free);
	ret = knob_set(path, number);
	if (!ret && read_number(path) != all + nr - free)
		ret = -ENOMEM;
	return ret;
}

int knob_swap(void)
{
	if (has_swap)
		return 0;
	if (system("{ modprobe zram && echo 64M >/sys/block/zram0/disksize && mkswap /dev/zram0 &&"
		   " swapon /dev/zram0; } >/dev/null 2>&1"))
		return -ENODEV;
	has_swap = true;
	swap_owner = getpid();
	return 0;
}

void knobs_restore(void)
{
	while (nr_knobs) {
		nr_knobs--;
		write_file(knobs[nr_knobs].path, knobs[nr_knobs].text);
	}
	if (!has_swap || swap_owner != getpid())
		return;
	if (system("swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset"))
		abort();
	has_swap = false;
}

void knobs_keep_swap(void)
{
	knob_swap();
	/* The harness does not return, and what it forks ends by _exit(). */
	atexit(knobs_restore);
}
