// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device.h"

int device_open(int flags)
{
	return open(DEVICE, flags | O_CLOEXEC);
}

struct mmlens_info device_info(int fd)
{
	struct mmlens_info info = { .size = sizeof(info) };

	if (ioctl(fd, MMLENS_IOC_INFO, &info))
		abort();
	return info;
}

struct mmlens_setup device_words(const char *words, size_t pages)
{
	static const char *const backings[] = {
		"", "vmalloc", "vmap", "contig", "sparse", "ioremap",
	};
	static const char *const strategies[] = { "lazy", "around", "eager", "remap", "huge" };
	static const char *const kinds[] = { "normal", "pfnmap", "mixed" };
	static const char *const caches[] = { "wb", "wc", "uc" };
	static const char *const flags[] = { "track", "nosplit" };
	struct mmlens_setup setup = { .size = sizeof(setup), .bytes = pages * page_size() };
	char *copy = strdup(words), *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		bool known = !*word;

		for (unsigned int i = 0; i < 6; i++) {
			if (i && !strcmp(word, backings[i]))
				setup.backing = i, known = true;
			if (i < 5 && !strcmp(word, strategies[i]))
				setup.strategy = i, known = true;
			if (i < 3 && !strcmp(word, kinds[i]))
				setup.page_kind = i, known = true;
			if (i < 3 && !strcmp(word, caches[i]))
				setup.cache = i, known = true;
			if (i < 2 && !strcmp(word, flags[i]))
				setup.flags |= 1u << i, known = true;
		}
		if (!strncmp(word, "around=", 7)) {
			setup.strategy = MMLENS_STRATEGY_AROUND;
			setup.around = atoi(word + 7);
			known = true;
		}
		if (!known)
			abort();
	}
	free(copy);
	return setup;
}

int device_make(const char *words, size_t pages)
{
	struct mmlens_setup setup = device_words(words, pages);
	int fd = device_open(O_RDWR), error;

	if (fd < 0 || !ioctl(fd, MMLENS_IOC_SETUP, &setup))
		return fd < 0 ? -errno : fd;
	error = errno;
	close(fd);
	return -error;
}

struct mmlens_stats device_op(int fd, unsigned int op)
{
	struct mmlens_stats stats = { .size = sizeof(stats), .op = op };

	/* A test would compare nonsense. */
	if (ioctl(fd, MMLENS_IOC_STATS, &stats))
		abort();
	return stats;
}

__u64 device_done(int fd, unsigned int op)
{
	return device_op(fd, op).outcome[MMLENS_OUTCOME_DONE];
}

__u64 device_calls(int fd, unsigned int op)
{
	struct mmlens_stats stats = device_op(fd, op);
	__u64 calls = 0;

	for (int i = 0; i < MMLENS_OUTCOMES; i++)
		calls += stats.outcome[i];
	return calls;
}

int device_events(int fd, struct mmlens_event *events, unsigned int room, __u64 *dropped)
{
	struct mmlens_events request = {
		.size = sizeof(request), .count = room, .record_size = sizeof(*events),
		.records = (uintptr_t)events,
	};

	if (ioctl(fd, MMLENS_IOC_EVENTS, &request))
		return -errno;
	if (dropped)
		*dropped = request.dropped;
	return request.count;
}

int device_dirty(int fd, size_t first, size_t pages, unsigned int flags, __u64 *bitmap,
		 __u64 *dirty)
{
	struct mmlens_dirty request = {
		.size = sizeof(request), .flags = flags, .first = first, .pages = pages,
		.bitmap = (uintptr_t)bitmap,
	};

	if (ioctl(fd, MMLENS_IOC_DIRTY, &request))
		return -errno;
	if (dirty)
		*dirty = request.dirty;
	return 0;
}

static int device_take(int fd, unsigned long command, unsigned int flags)
{
	struct mmlens_revoke request = { .size = sizeof(request), .flags = flags };

	return ioctl(fd, command, &request) ? -errno : 0;
}

int device_revoke(int fd, unsigned int flags)
{
	return device_take(fd, MMLENS_IOC_REVOKE, flags);
}

int device_restore(int fd)
{
	return device_take(fd, MMLENS_IOC_RESTORE, 0);
}

void *device_map(int fd, int prot, int flags, size_t pages, size_t at)
{
	return mmap(NULL, pages * page_size(), prot, flags, fd, at * page_size());
}

static sigjmp_buf after_access;

static void on_signal(int signal)
{
	siglongjmp(after_access, signal);
}

int access_signal(volatile char *p, bool write)
{
	struct sigaction action = { .sa_handler = on_signal }, old[2];
	int signal;

	sigaction(SIGSEGV, &action, &old[0]);
	sigaction(SIGBUS, &action, &old[1]);
	signal = sigsetjmp(after_access, 1);
	if (!signal) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	sigaction(SIGSEGV, &old[0], NULL);
	sigaction(SIGBUS, &old[1], NULL);
	return signal;
}

/* Differs from page to page and with the seed. */
static unsigned int pattern(unsigned int seed, size_t page)
{
	return (seed + page) * 2654435761u | 1;
}

void fill_pages(char *p, size_t pages, unsigned int seed)
{
	for (size_t i = 0; i < pages; i++) {
		unsigned int word = pattern(seed, i);

		memcpy(p + i * page_size() + 8, &word, sizeof(word));
	}
}

bool pages_have(const char *p, size_t pages, unsigned int seed)
{
	for (size_t i = 0; i < pages; i++) {
		unsigned int word;

		memcpy(&word, p + i * page_size() + 8, sizeof(word));
		if (word != pattern(seed, i))
			return false;
	}
	return true;
}

bool pages_are_zero(const char *p, size_t pages)
{
	for (size_t i = 0; i < pages * page_size(); i++)
		if (p[i])
			return false;
	return true;
}
