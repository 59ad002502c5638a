// SPDX-License-Identifier: GPL-2.0
/*
 * A 32-bit program without a C library that does each ioctl of /dev/mmlens, which is its
 * descriptor 3, and prints what came of it: of each number the errno with the size of the
 * struct and that without a size, both as two digits.
 */
#include "call32.h"
#include "mmlens.h"

enum { SYS_EXIT = 1, SYS_WRITE = 4, SYS_IOCTL = 54 };

static const unsigned int commands[] = {
	MMLENS_IOC_INFO, MMLENS_IOC_STATS, MMLENS_IOC_SETUP, MMLENS_IOC_EVENTS,
	MMLENS_IOC_DIRTY, MMLENS_IOC_REVOKE, MMLENS_IOC_RESTORE, MMLENS_IOC_QUERY,
	MMLENS_IOC_MACHINE, _IO(MMLENS_IOC_MAGIC, 0x7f),
};

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define NUMBERS ARRAY_SIZE(commands)

/* Zeroed, but for the size. */
static union {
	__u32 size;
	struct mmlens_info info;
	struct mmlens_stats stats;
	struct mmlens_events events;
	struct mmlens_dirty dirty;
	struct mmlens_query query;
	struct mmlens_machine machine;
} requests[NUMBERS];

static char text[NUMBERS * 4 + 1];

static void put(char *at, int number)
{
	at[0] = '0' + number / 10;
	at[1] = '0' + number % 10;
}

void _start(void)
{
	requests[3].events.record_size = sizeof(struct mmlens_event);
	requests[4].dirty.pages = 1;
	for (unsigned int i = 0; i < NUMBERS; i++) {
		unsigned int bare = commands[i] & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT);

		requests[i].size = _IOC_SIZE(commands[i]);
		put(text + 4 * i, -call(SYS_IOCTL, 3, commands[i], (long)&requests[i], 0, 0, 0));
		put(text + 4 * i + 2, -call(SYS_IOCTL, 3, bare, (long)&requests[i], 0, 0, 0));
	}
	text[sizeof(text) - 1] = '\n';
	call(SYS_WRITE, 1, (long)text, sizeof(text), 0, 0, 0);
	/* Of the answers one, that is there only if it came to the right place. */
	call(SYS_EXIT, (long)requests[0].info.mappings, 0, 0, 0, 0, 0);
}
