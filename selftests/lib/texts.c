// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/ioctl.h>

#include "texts.h"

const struct text_file process_texts[8] = {
	{ MMLENS_TEXT_MM, "mm" },
	{ MMLENS_TEXT_VMAS, "vmas" },
	{ MMLENS_TEXT_SUMMARY, "summary" },
	{ MMLENS_TEXT_LAYOUT, "layout" },
	{ MMLENS_TEXT_PAGETABLE, "pagetable" },
	{ MMLENS_TEXT_ENTRIES, "entries" },
	{ MMLENS_TEXT_USER_PGD, "user_pgd" },
	{ MMLENS_TEXT_QUERY, "query" },
};

const struct text_file kernel_texts[5] = {
	{ MMLENS_TEXT_KERNEL_LAYOUT, "kernel/layout" },
	{ MMLENS_TEXT_KERNEL_REGISTERS, "kernel/registers" },
	{ MMLENS_TEXT_KERNEL_OWN, "kernel/own" },
	{ MMLENS_TEXT_KERNEL_PAGETABLE, "kernel/pagetable" },
	{ MMLENS_TEXT_BUFFERS, "buffers" },
};

int ioctl_query(int fd, struct mmlens_query *query)
{
	query->size = sizeof(*query);
	return ioctl(fd, MMLENS_IOC_QUERY, query) ? -errno : 0;
}

int ask(int fd, pid_t pid, unsigned int what, __u64 address, __u64 length,
	struct mmlens_query *query)
{
	*query = (struct mmlens_query){
		.what = what, .pid = pid, .address = address, .length = length,
	};
	return ioctl_query(fd, query);
}

int text_open(int fd, unsigned int what, pid_t pid)
{
	struct mmlens_text text = { .size = sizeof(text), .what = what, .pid = pid };
	int ret = ioctl(fd, MMLENS_IOC_TEXT, &text);

	return ret < 0 ? -errno : ret;
}

int ioctl_attach(int fd, pid_t pid)
{
	struct mmlens_attach attach = { .size = sizeof(attach), .pid = pid };

	return ioctl(fd, MMLENS_IOC_ATTACH, &attach) ? -errno : 0;
}

int ioctl_detach(int fd, pid_t pid)
{
	struct mmlens_attach attach = { .size = sizeof(attach), .pid = pid };

	return ioctl(fd, MMLENS_IOC_DETACH, &attach) ? -errno : 0;
}
