// SPDX-License-Identifier: GPL-2.0
/*
 * When does a driver put its pages into the page table? All at once when they are
 * mapped (eager: one by one; remap: by one call), or when they are touched (lazy: one
 * at a time; around: neighbours too; huge: as many as one entry of a pmd maps). This
 * does all five to the same amount of memory, and reads each page once.
 *
 *   make -C samples && ./samples/mmap_strategies [MIB]
 *
 * The times are of one run in this machine, and say little on an emulated one; how
 * often the kernel had to ask the driver is what does not depend on that.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../rust/uapi/mmlens.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct way {
	const char *name;
	__u32 strategy, backing, around;
} ways[] = {
	{ "lazy", MMLENS_STRATEGY_LAZY, MMLENS_BACKING_VMALLOC, 0 },
	{ "around=16", MMLENS_STRATEGY_AROUND, MMLENS_BACKING_VMALLOC, 16 },
	{ "eager", MMLENS_STRATEGY_EAGER, MMLENS_BACKING_VMALLOC, 0 },
	{ "remap", MMLENS_STRATEGY_REMAP, MMLENS_BACKING_VMALLOC, 0 },
	/* Only memory that is physically contiguous can be mapped by one entry. */
	{ "huge", MMLENS_STRATEGY_HUGE, MMLENS_BACKING_CONTIG, 0 },
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* How often one operation has mapped something, and how many pages in all. */
static struct mmlens_stats counts(int device, unsigned int op)
{
	struct mmlens_stats stats = { .size = sizeof(stats), .op = op };

	if (ioctl(device, MMLENS_IOC_STATS, &stats))
		err(1, "MMLENS_IOC_STATS");
	return stats;
}

static void try(const struct way *way, size_t size)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct mmlens_setup setup = {
		.size = sizeof(setup), .strategy = way->strategy,
		.backing = way->backing, .around = way->around,
		.bytes = size,	/* so that mmap() has nothing to allocate */
	};
	int device = open("/dev/mmlens", O_RDWR | O_CLOEXEC);
	struct mmlens_stats in_mmap, fault, huge;
	uint64_t before, mapped, touched;
	volatile char *map;

	if (device < 0)
		err(1, "/dev/mmlens");
	if (ioctl(device, MMLENS_IOC_SETUP, &setup)) {
		if (errno != EOPNOTSUPP && errno != ENOMEM)
			err(1, "MMLENS_IOC_SETUP");
		printf("%-10s not here: %m\n", way->name);
		close(device);
		return;
	}

	before = now();
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, device, 0);
	mapped = now();
	if (map == MAP_FAILED)
		err(1, "mmap");
	for (size_t at = 0; at < size; at += page)
		(void)map[at];
	touched = now();

	in_mmap = counts(device, MMLENS_OP_MMAP);
	fault = counts(device, MMLENS_OP_FAULT);
	huge = counts(device, MMLENS_OP_HUGE_FAULT);
	printf("%-10s %10.1f %10.1f %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", way->name,
	       (mapped - before) / 1e3, (touched - mapped) / 1e3, (uint64_t)in_mmap.pages,
	       (uint64_t)fault.outcome[MMLENS_OUTCOME_DONE],
	       (uint64_t)huge.outcome[MMLENS_OUTCOME_DONE]);
	munmap((void *)map, size);
	close(device);
}

int main(int argc, char **argv)
{
	size_t mib = argc > 1 ? strtoul(argv[1], NULL, 0) : 8;

	printf("%zu MiB are %zu pages\n", mib, (mib << 20) / sysconf(_SC_PAGESIZE));
	printf("%-10s %10s %10s %10s %10s %10s\n", "strategy", "mmap us", "reads us",
	       "by mmap", "faults", "huge");
	for (size_t i = 0; i < LENGTH(ways); i++)
		try(&ways[i], mib << 20);
	return 0;
}
