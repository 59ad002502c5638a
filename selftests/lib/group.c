// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "group.h"
#include "proc.h"
#include "util.h"

#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/mmlens-inject"

bool group_is_possible(void)
{
	return !access("/proc/kpagecgroup", F_OK);
}

int group_enter(void)
{
	int ret = write_file(GROUPS "/cgroup.subtree_control", "+memory");

	if (!ret && mkdir(GROUP, 0755) && errno != EEXIST)
		ret = -errno;
	return ret ? ret : write_file(GROUP "/cgroup.procs", "0");
}

/*
 * The kernel sums up what its processors have counted every two seconds, and when somebody asks
 * after 64 changes on each of them: so here are some.
 */
static void make_changes(void)
{
	size_t size = 128 * get_nprocs() * page_size();
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (map != MAP_FAILED)
		munmap(map, size);
}

static long pages_now(void)
{
	char *text, *at;
	long bytes;

	make_changes();
	text = read_file(GROUP "/memory.stat", NULL);
	at = text ? strstr(text, "\nkernel ") : NULL;
	bytes = at ? atol(at + strlen("\nkernel ")) : -1;
	free(text);
	return bytes < 0 ? bytes : bytes / (long)page_size();
}

long group_pages(long most)
{
	long pages = pages_now();

	/* What is freed is uncharged a little later. */
	for (int i = 0; i < 80 && pages > most; i++) {
		usleep(100000);
		pages = pages_now();
	}
	return pages;
}

void group_leave(void)
{
	write_file(GROUPS "/cgroup.procs", "0");
	rmdir(GROUP);
}
