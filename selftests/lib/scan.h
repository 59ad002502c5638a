/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel says of pages: the PAGEMAP_SCAN ioctl, and /proc/kpageflags. */
#ifndef MMLENS_SELFTESTS_SCAN_H
#define MMLENS_SELFTESTS_SCAN_H

#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>

/* A category that is younger than some C libraries' headers. */
#ifndef PAGE_IS_GUARD
#define PAGE_IS_GUARD (1 << 8)
#endif

#define BIT_OF(number) (1UL << (number))

struct memory;

/*
 * The categories that all pages of a range have, and in *@any those that some of them
 * has. False if the kernel cannot say.
 */
bool scan_categories(int pagemap, uint64_t start, uint64_t end, uint64_t *all, uint64_t *any);

/* The flags of a page frame; false if there is none of that number. */
bool scan_frame_flags(uint64_t frame, uint64_t *flags);

/* Whether each page is present and has these bits in kpageflags, in the calling process. */
bool scan_page_flags(const struct memory *m, uint64_t set, uint64_t clear);

#endif
