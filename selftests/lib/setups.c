// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "setups.h"
#include "util.h"

static const char *const backings[] = { "vmalloc", "vmap", "contig", "sparse" };
static const char *const strategies[] = { "lazy", "around=8", "eager", "remap", "huge" };
static const char *const kinds[] = { "normal", "pfnmap", "mixed" };
static const char *const caches[] = { "wb", "wc", "uc" };

/* The next of so many choices, taken off the number. */
static size_t choose(size_t *number, size_t choices)
{
	size_t chosen = *number % choices;

	*number /= choices;
	return chosen;
}

bool combo_at(size_t number, struct combo *combo)
{
	combo->backing = MMLENS_BACKING_VMALLOC + choose(&number, 4);
	combo->strategy = choose(&number, 5);
	combo->kind = choose(&number, 3);
	combo->cache = choose(&number, 3);
	combo->track = choose(&number, 2);
	snprintf(combo->words, sizeof(combo->words), "%s,%s,%s,%s%s",
		 backings[combo->backing - MMLENS_BACKING_VMALLOC], kinds[combo->kind],
		 strategies[combo->strategy], caches[combo->cache], combo->track ? ",track" : "");
	return !number;
}

bool has_huge_pages(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK);
}

#define BIT(n) (1u << (n))

int combo_errno(const struct combo *combo)
{
	/* What each backing goes together with. */
	static const struct {
		unsigned int strategies, kinds, caches;
	} good[] = {
		[MMLENS_BACKING_VMALLOC] = {
			.strategies = BIT(MMLENS_STRATEGY_LAZY) | BIT(MMLENS_STRATEGY_AROUND) |
				      BIT(MMLENS_STRATEGY_EAGER) | BIT(MMLENS_STRATEGY_REMAP),
			.kinds = BIT(MMLENS_PAGE_KIND_NORMAL) | BIT(MMLENS_PAGE_KIND_PFNMAP) |
				 BIT(MMLENS_PAGE_KIND_MIXED),
			.caches = BIT(MMLENS_CACHE_WB),
		},
		[MMLENS_BACKING_VMAP] = {
			.strategies = BIT(MMLENS_STRATEGY_LAZY) | BIT(MMLENS_STRATEGY_AROUND) |
				      BIT(MMLENS_STRATEGY_EAGER) | BIT(MMLENS_STRATEGY_REMAP),
			.kinds = BIT(MMLENS_PAGE_KIND_NORMAL) | BIT(MMLENS_PAGE_KIND_PFNMAP) |
				 BIT(MMLENS_PAGE_KIND_MIXED),
			.caches = BIT(MMLENS_CACHE_WB) | BIT(MMLENS_CACHE_WC) |
				  BIT(MMLENS_CACHE_UC),
		},
		[MMLENS_BACKING_CONTIG] = {
			.strategies = BIT(MMLENS_STRATEGY_LAZY) | BIT(MMLENS_STRATEGY_AROUND) |
				      BIT(MMLENS_STRATEGY_EAGER) | BIT(MMLENS_STRATEGY_REMAP) |
				      BIT(MMLENS_STRATEGY_HUGE),
			.kinds = BIT(MMLENS_PAGE_KIND_NORMAL) | BIT(MMLENS_PAGE_KIND_PFNMAP) |
				 BIT(MMLENS_PAGE_KIND_MIXED),
			.caches = BIT(MMLENS_CACHE_WB) | BIT(MMLENS_CACHE_WC) |
				  BIT(MMLENS_CACHE_UC),
		},
		[MMLENS_BACKING_SPARSE] = {
			.strategies = BIT(MMLENS_STRATEGY_LAZY) | BIT(MMLENS_STRATEGY_AROUND),
			.kinds = BIT(MMLENS_PAGE_KIND_NORMAL),
			.caches = BIT(MMLENS_CACHE_WB),
		},
	};
	bool huge = combo->strategy == MMLENS_STRATEGY_HUGE;
	bool mixed = combo->kind == MMLENS_PAGE_KIND_MIXED;

	if (!(good[combo->backing].strategies & BIT(combo->strategy)) ||
	    !(good[combo->backing].kinds & BIT(combo->kind)) ||
	    !(good[combo->backing].caches & BIT(combo->cache)))
		return -EOPNOTSUPP;
	if (huge && (mixed || combo->track || !has_huge_pages()))
		return -EOPNOTSUPP;
	if (mixed && (combo->track || combo->strategy == MMLENS_STRATEGY_REMAP))
		return -EOPNOTSUPP;
#ifdef __aarch64__
	if (combo->cache == MMLENS_CACHE_UC || (is_normal(combo) && combo->cache))
		return -EOPNOTSUPP;
#endif
	return 0;
}

bool combo_takes_too_long(const struct combo *combo)
{
	return combo->cache != MMLENS_CACHE_WB && kernel_is_slow() &&
	       (combo->cache != MMLENS_CACHE_WC || combo->backing != MMLENS_BACKING_CONTIG);
}

bool combo_next(size_t *number, struct combo *combo, bool go_on)
{
	if (!go_on && *number)
		fprintf(stderr, "# with %s\n", combo->words);
	while (go_on && combo_at((*number)++, combo))
		if (!combo_errno(combo) && !combo_takes_too_long(combo))
			return true;
	return false;
}
