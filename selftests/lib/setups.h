/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every combination of what a buffer can be, and which of them there are: the rules of
 * Documentation/uapi.rst, once more and in another way than the module has them.
 */
#ifndef MMLENS_SELFTESTS_SETUPS_H
#define MMLENS_SELFTESTS_SETUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "mmlens.h"

#define SETUP_PARAMETER "/sys/module/mmlens/parameters/setup"
#define SETUP_DEFAULT "vmalloc,normal,lazy,wb,track"

struct combo {
	enum mmlens_backing backing;
	enum mmlens_strategy strategy;
	enum mmlens_page_kind kind;
	enum mmlens_cache cache;
	bool track;
	char words[64];		/* as of the module parameter; around=8 */
};

#define COMBO_AROUND 8

/*
 * Combinations have numbers, from 0 on; false behind the last. Those with device memory
 * are not among them.
 */
bool combo_at(size_t number, struct combo *combo);
/* 0 if SETUP should take it, else the negative errno that it should give. */
int combo_errno(const struct combo *combo);
/* Cache types differ in the entries only: one that is not write-back has to do on slow kernels. */
bool combo_takes_too_long(const struct combo *combo);
/* The next one that can be had; without @go_on says which was the last, and ends. */
bool combo_next(size_t *number, struct combo *combo, bool go_on);

/* Whether this kernel knows transparent huge pages. */
bool has_huge_pages(void);

static inline bool is_normal(const struct combo *combo)
{
	return combo->kind == MMLENS_PAGE_KIND_NORMAL;
}

/* Whether it can be mapped by MAP_PRIVATE, which makes copies that are memory as any other. */
static inline bool can_be_private(const struct combo *combo)
{
	return is_normal(combo) && combo->cache == MMLENS_CACHE_WB;
}

/* Whether mmap() maps all of it. */
static inline bool is_mapped_at_once(const struct combo *combo)
{
	return combo->strategy == MMLENS_STRATEGY_EAGER ||
	       combo->strategy == MMLENS_STRATEGY_REMAP;
}

/* In a test: goes over the combinations that can be had, until one fails. */
#define for_each_combo(combo) \
	for (size_t number_ = 0; combo_next(&number_, combo, __test_passed(_metadata));)

#endif
