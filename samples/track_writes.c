// SPDX-License-Identifier: GPL-2.0
/*
 * Which pages were written? The kernel can tell, because they are mapped read-only
 * until their first write: that faults once (page_mkwrite), the page is noted, and
 * further writes are as fast as any. MMLENS_IOC_DIRTY asks, forgets what it told, and
 * makes the pages read-only again, so that the next round begins.
 *
 *   make -C samples && ./samples/track_writes
 *
 * track_writes.rs is the same in Rust.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../rust/uapi/mmlens.h"

#define PAGES 64

/* One bit a page: a word of the bitmap is 64 pages. */
static void show(int device, const char *when, unsigned int flags)
{
	uint64_t bitmap[(PAGES + 63) / 64];
	struct mmlens_dirty dirty = {
		.size = sizeof(dirty), .flags = flags,
		.pages = PAGES, .bitmap = (uintptr_t)bitmap,
	};

	if (ioctl(device, MMLENS_IOC_DIRTY, &dirty))
		err(1, "MMLENS_IOC_DIRTY");
	printf("%-36s %" PRIu64 " dirty:", when, (uint64_t)dirty.dirty);
	for (unsigned int page = 0; page < PAGES; page++)
		if (bitmap[page / 64] & (UINT64_C(1) << (page % 64)))
			printf(" %u", page);
	printf("\n");
}

static uint64_t notified(int device)
{
	struct mmlens_stats stats = { .size = sizeof(stats), .op = MMLENS_OP_PAGE_MKWRITE };

	if (ioctl(device, MMLENS_IOC_STATS, &stats))
		err(1, "MMLENS_IOC_STATS");
	return stats.outcome[MMLENS_OUTCOME_DONE];
}

int main(void)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct mmlens_setup setup = { .size = sizeof(setup), .flags = MMLENS_SETUP_TRACK };
	int device = open("/dev/mmlens", O_RDWR | O_CLOEXEC);
	volatile char *map;

	if (device < 0)
		err(1, "/dev/mmlens");
	if (ioctl(device, MMLENS_IOC_SETUP, &setup))
		err(1, "MMLENS_IOC_SETUP");
	map = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");

	for (unsigned int i = 0; i < PAGES; i++)
		(void)map[i * page];
	show(device, "all read:", 0);

	map[3 * page] = 1;
	map[5 * page] = 1;
	show(device, "3 and 5 written, only looked:", MMLENS_DIRTY_PEEK);
	show(device, "and taken:", 0);

	for (int i = 0; i < 1000; i++)
		map[5 * page] = i;
	show(device, "5 written a thousand times:", 0);
	printf("page_mkwrite ran %" PRIu64 " times\n", notified(device));

	/* It is the buffer that is tracked, whichever way it is written. */
	if (pwrite(device, "x", 1, 7 * page) != 1)
		err(1, "write");
	show(device, "7 written by pwrite():", 0);
	show(device, "nothing written:", 0);
	return 0;
}
