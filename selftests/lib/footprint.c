// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "footprint.h"
#include "util.h"

#define SLAB "/sys/kernel/slab"

static long meminfo(const char *name)
{
	char *text = read_file("/proc/meminfo", NULL), *at = text ? strstr(text, name) : NULL;
	long kb = at ? strtol(at + strlen(name) + 1, NULL, 10) : -1;

	free(text);
	return kb;
}

/*
 * The cache of struct vmap_area, or where that one is a part of: those of areas that are freed,
 * such as the stacks of tasks, wait there for a purge, and f->vmallocs counts the others.
 */
static const char *lazy_cache(void)
{
	static char name[64];
	ssize_t len = readlink(SLAB "/vmap_area", name, sizeof(name) - 1);

	if (len < 0)
		return "vmap_area";
	name[len] = 0;
	return name;
}

/*
 * slabinfo calls in use what lies in store too, for each processor and each node: up to
 * ten stores of 60 objects of 64 bytes (sheaves, mm/slub.c). To shrink a cache empties
 * them, and lets the count of objects be of those that somebody has. The links are other
 * names of the same.
 */
static void take_caches(struct footprint *f)
{
	const char *lazy = lazy_cache();
	DIR *dir = opendir(SLAB);
	struct dirent *entry;
	size_t room = 0;

	f->nr = 0;
	while (dir && (entry = readdir(dir))) {
		char path[sizeof(SLAB) + sizeof(entry->d_name) + 16];
		long objects;

		if (*entry->d_name == '.' || entry->d_type != DT_DIR ||
		    !strcmp(entry->d_name, lazy))
			continue;
		if (f->nr == room) {
			room = room * 2 + 256;
			f->caches = realloc(f->caches, room * sizeof(*f->caches));
			if (!f->caches)
				abort();
		}
		sprintf(path, SLAB "/%s/shrink", entry->d_name);
		if (write_file(path, "1"))
			continue;
		sprintf(path, SLAB "/%s/objects", entry->d_name);
		objects = read_number(path);
		if (objects < 0)
			continue;
		f->caches[f->nr].objects = objects;
		snprintf(f->caches[f->nr++].name, sizeof(f->caches->name), "%.63s", entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/*
 * Callbacks of RCU, and workers after them, may have something to give back that is no more:
 * three grace periods are over then, and there was time to run.
 */
static void wait_for_others(void)
{
	for (int i = 0; i < 3; i++) {
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		usleep(50000);
	}
}

void footprint_settle(void)
{
	wait_for_others();
	write_file("/proc/sys/vm/drop_caches", "3");
	wait_for_others();
}

struct footprint footprint_take(void)
{
	struct footprint f = {};
	char *text, *line, *next;

	/*
	 * What KASAN has in quarantine counts as used; such a kernel finds leaks itself. It takes
	 * up to ten seconds to drop what is cached, which is in none of the other numbers.
	 */
	if (kernel_is_slow()) {
		wait_for_others();
	} else {
		footprint_settle();
		/* What waited for a grace period goes into store when that is over. */
		take_caches(&f);
		wait_for_others();
		take_caches(&f);
	}
	text = read_file("/proc/vmallocinfo", NULL);
	for (next = text; (line = strsep(&next, "\n")); f.vmallocs++)
		f.ours += !!strstr(line, "mmlens");
	free(text);
	f.page_tables = meminfo("\nPageTables");
	f.percpu = meminfo("\nPercpu");
	return f;
}

long footprint_growth(const struct footprint *before, const struct footprint *after,
		      const char **name)
{
	long most = 0;

	*name = "nothing";
	for (size_t i = 0; i < after->nr; i++) {
		for (size_t j = 0; j < before->nr; j++) {
			long grown = after->caches[i].objects - before->caches[j].objects;

			if (grown <= most || strcmp(after->caches[i].name, before->caches[j].name))
				continue;
			most = grown;
			*name = after->caches[i].name;
		}
	}
	return most;
}

size_t footprint_compared(const struct footprint *before, const struct footprint *after)
{
	size_t nr = 0;

	for (size_t i = 0; i < after->nr; i++)
		for (size_t j = 0; j < before->nr; j++)
			nr += !strcmp(after->caches[i].name, before->caches[j].name);
	return nr;
}

void footprint_free(struct footprint *f)
{
	free(f->caches);
	f->caches = NULL;
	f->nr = 0;
}
