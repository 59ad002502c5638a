// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "device.h"

int device_open(int flags)
{
	return open(DEVICE, flags | O_CLOEXEC);
}

struct mmlens_stats device_stats(int fd)
{
	struct mmlens_stats stats = { .size = sizeof(stats) };

	/* A test would compare nonsense. */
	if (ioctl(fd, MMLENS_IOC_STATS, &stats))
		abort();
	return stats;
}

struct mmlens_info device_info(int fd)
{
	struct mmlens_info info = { .size = sizeof(info) };

	if (ioctl(fd, MMLENS_IOC_INFO, &info))
		abort();
	return info;
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
