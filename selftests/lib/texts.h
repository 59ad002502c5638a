/* SPDX-License-Identifier: GPL-2.0 */
/* The ioctls of the device that show address spaces without debugfs. */
#ifndef MMLENS_SELFTESTS_TEXTS_H
#define MMLENS_SELFTESTS_TEXTS_H

#include <stddef.h>
#include <sys/types.h>

#include "mmlens.h"

/* The file of the lens that each MMLENS_TEXT_... is. */
struct text_file {
	unsigned int what;
	const char *name;
};

/* Of a process, in its folder; and of no process, in the top folder. */
extern const struct text_file process_texts[8], kernel_texts[5];

/* Each returns 0, or a descriptor, or a negative errno; @fd is one of the device. */
int ioctl_query(int fd, struct mmlens_query *query);
/* Of a process, as a whole. */
int ask(int fd, pid_t pid, unsigned int what, __u64 address, __u64 length,
	struct mmlens_query *query);
int text_open(int fd, unsigned int what, pid_t pid);
int ioctl_attach(int fd, pid_t pid);
int ioctl_detach(int fd, pid_t pid);

#endif
