// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kinds.h"
#include "proc.h"
#include "scan.h"

#define CATEGORIES (PAGE_IS_FILE | PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_PFNZERO | \
		    PAGE_IS_HUGE | PAGE_IS_SOFT_DIRTY | PAGE_IS_GUARD)

bool scan_categories(int pagemap, uint64_t start, uint64_t end, uint64_t *all, uint64_t *any)
{
	*all = CATEGORIES;
	*any = 0;
	while (start < end) {
		struct page_region region;
		struct pm_scan_arg arg = {
			.size = sizeof(arg), .start = start, .end = end,
			.vec = (uintptr_t)&region, .vec_len = 1,
			.category_anyof_mask = CATEGORIES, .return_mask = CATEGORIES,
		};
		int ret = ioctl(pagemap, PAGEMAP_SCAN, &arg);

		if (ret < 0)
			return false;
		/* What is in no region is of no category. */
		if (!ret || region.start > start)
			*all = 0;
		if (!ret)
			break;
		*all &= region.categories;
		*any |= region.categories;
		start = region.end;
	}
	return true;
}

bool scan_frame_flags(uint64_t frame, uint64_t *flags)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	bool has = pread(fd, flags, sizeof(*flags), frame * sizeof(*flags)) == sizeof(*flags);

	close(fd);
	return has;
}

bool scan_page_flags(const struct memory *m, uint64_t set, uint64_t clear)
{
	int fd = proc_pagemap_open(0);
	bool has = fd >= 0;

	for (size_t i = 0; i < m->pages && has; i++) {
		uint64_t entry, flags;

		has = proc_pagemap(fd, (uintptr_t)m->start + i * page_size(), &entry, 1) &&
		      entry & PM_PRESENT && scan_frame_flags(entry & PM_FRAME, &flags) &&
		      (flags & set) == set && !(flags & clear);
	}
	close(fd);
	return has;
}
