// SPDX-License-Identifier: GPL-2.0
/*
 * Map /dev/mmlens, and watch through the lens what each access does to the
 * page table: read and write a page of a shared and of a private mapping.
 *
 *   make -C samples && ./samples/watch_faults
 *
 * Wants root, for the lens.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../rust/uapi/mmlens.h"

#define LENS "/sys/kernel/debug/mmlens/self/entries"

/* Prints the entry that maps @page, as the lens shows it. */
static void show_entry(const void *page)
{
	char line[512], address[32];
	FILE *lens = fopen(LENS, "re");
	int shown = 0;

	if (!lens)
		err(1, LENS);
	/* A line of an entry of the lowest level: "address pte entry kind ..." */
	snprintf(address, sizeof(address), "%016" PRIxPTR " pte ", (uintptr_t)page);
	while (fgets(line, sizeof(line), lens)) {
		if (strncmp(line, address, strlen(address)))
			continue;
		printf("    %s", line);
		shown = 1;
	}
	if (!shown)
		printf("    no entry\n");
	fclose(lens);
}

static uint64_t done(int device, unsigned int op)
{
	struct mmlens_stats stats = { .size = sizeof(stats), .op = op };

	if (ioctl(device, MMLENS_IOC_STATS, &stats))
		err(1, "MMLENS_IOC_STATS");
	return stats.outcome[MMLENS_OUTCOME_DONE];
}

static void show(int device, const char *when, const void *page)
{
	printf("  %s: fault %" PRIu64 ", page_mkwrite %" PRIu64 "\n", when,
	       done(device, MMLENS_OP_FAULT), done(device, MMLENS_OP_PAGE_MKWRITE));
	show_entry(page);
}

static void watch(int device, const char *name, int sharing)
{
	const size_t size = 4 * (size_t)sysconf(_SC_PAGESIZE);
	volatile char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing, device, 0);

	if (page == MAP_FAILED)
		err(1, "mmap");
	printf("%s mapping at %p\n", name, (void *)page);
	show(device, "mapped", (void *)page);
	(void)*page;
	show(device, "read", (void *)page);
	*page = 1;
	show(device, "written", (void *)page);
	munmap((void *)page, size);
}

int main(void)
{
	/* As mmlens has it by default: page by page, and it wants to know of writes. */
	struct mmlens_setup setup = { .size = sizeof(setup), .flags = MMLENS_SETUP_TRACK };
	int device = open("/dev/mmlens", O_RDWR | O_CLOEXEC);

	if (device < 0)
		err(1, "/dev/mmlens");
	if (ioctl(device, MMLENS_IOC_SETUP, &setup))
		err(1, "MMLENS_IOC_SETUP");
	/* page_mkwrite sees the write, and the page of the buffer becomes writable. */
	watch(device, "shared", MAP_SHARED);
	/* The kernel copies the page: another frame, and no page_mkwrite. */
	watch(device, "private", MAP_PRIVATE);
	return 0;
}
