// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "walk.h"

struct mmlens_walk walk_of(pid_t pid, unsigned int form)
{
	return (struct mmlens_walk) {
		.size = sizeof(struct mmlens_walk), .form = form, .pid = pid,
	};
}

int walk_call(int fd, struct mmlens_walk *walk, void *buffer, size_t bytes)
{
	walk->buffer = (uintptr_t)buffer;
	walk->bytes = bytes;
	return ioctl(fd, MMLENS_IOC_WALK, walk) ? -errno : 0;
}

int walk_all(int fd, const struct mmlens_walk *walk, size_t room, struct records *records)
{
	struct mmlens_walk now = *walk;
	int ret;

	*records = (struct records) { };
	do {
		uint64_t before = now.start;

		records->bytes = realloc(records->bytes, records->size + room);
		if (!records->bytes)
			abort();
		ret = walk_call(fd, &now, records->bytes + records->size, room);
		if (ret)
			return ret;
		records->size += now.bytes;
		records->nr += now.records;
		records->calls++;
		/* It must come to an end. */
		if (now.start < before || (now.start == before && now.start < now.end))
			return -ELOOP;
	} while (now.start < now.end);
	return 0;
}

void walk_free(struct records *records)
{
	free(records->bytes);
	*records = (struct records) { };
}
