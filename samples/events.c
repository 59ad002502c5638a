// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel asks a driver to do, as it happens. The device notes each operation
 * on the VMAs of a buffer in a ring; poll() says POLLRDBAND as long as there are any.
 * A child does things to a mapping, and its parent prints what that was:
 *
 *   make -C samples && ./samples/events
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../rust/uapi/mmlens.h"

#define PAGES 4
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *const ops[] = {
	"mmap", "open", "close", "may_split", "mremap", "mprotect", "fault", "huge_fault",
	"map_pages", "page_mkwrite", "pfn_mkwrite", "access",
};

static const char *const outcomes[] = { "done", "killed", "fallback", "sigbus", "oom", "error" };

static const char *name(const char *const *names, size_t count, unsigned int number)
{
	return number < count ? names[number] : "?";
}

/* Takes what is there and prints it. */
static void print_events(int device)
{
	struct mmlens_event events[16];
	struct mmlens_events take = {
		.size = sizeof(take), .count = LENGTH(events),
		.records = (uintptr_t)events, .record_size = sizeof(events[0]),
	};

	if (ioctl(device, MMLENS_IOC_EVENTS, &take))
		err(1, "MMLENS_IOC_EVENTS");
	if (take.dropped)
		printf("(%" PRIu64 " lost: the ring was full)\n", (uint64_t)take.dropped);
	for (unsigned int i = 0; i < take.count; i++) {
		const struct mmlens_event *e = &events[i];

		printf("%7d %-12s %-8s page %" PRIu64 " at %" PRIx64 ", %u mapped, %u ns%s\n",
		       e->pid, name(ops, LENGTH(ops), e->op),
		       name(outcomes, LENGTH(outcomes), e->outcome), (uint64_t)e->pgoff,
		       (uint64_t)e->address, e->pages, e->ns,
		       e->flags & MMLENS_EVENT_WRITE ? ", a write" : "");
	}
	fflush(stdout);
}

/* Each of these makes the core call one operation or several; guess which. */
static int child(volatile char *map, size_t page)
{
	(void)map[0];
	map[0] = 1;
	map[page] = 1;
	munmap((void *)(map + 3 * page), page);
	return mprotect((void *)map, 2 * page, PROT_READ);
	/* Its end unmaps the rest. */
}

int main(void)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct mmlens_setup setup = { .size = sizeof(setup), .flags = MMLENS_SETUP_TRACK };
	int device = open("/dev/mmlens", O_RDWR | O_CLOEXEC), status;
	struct pollfd poll_for = { .fd = device, .events = POLLRDBAND };
	volatile char *map;
	pid_t pid, ended;

	if (device < 0)
		err(1, "/dev/mmlens");
	if (ioctl(device, MMLENS_IOC_SETUP, &setup))
		err(1, "MMLENS_IOC_SETUP");
	map = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");

	printf("%7s %s\n", "pid", "operation");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		_exit(child(map, page) != 0);

	/* Asked before the events are taken: once it has ended, all of them are there. */
	do {
		ended = waitpid(pid, &status, WNOHANG);
		while (poll(&poll_for, 1, ended ? 0 : 200) > 0)
			print_events(device);
	} while (!ended);
	return ended < 0 || status;
}
