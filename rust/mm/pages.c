// SPDX-License-Identifier: GPL-2.0
/*
 * What kind of page a frame is. With a body of its own because it looks at the
 * struct page without a reference: the kernel's own tests (folio_test_*()) may
 * only be asked of a folio that cannot be freed or split meanwhile, and say so on
 * a debug kernel.
 */
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "../helpers.h"

/**
 * mmlens_page_kind() - what kind of page a frame is, at a glance
 * @pfn: any number
 *
 * As /proc/kpageflags does, without a reference: nothing is written to, and what
 * is read may be stale. The caller reads the entry that named the frame again
 * afterwards; if it still does, the page was mapped there all the time, and was
 * what is said here.
 *
 * Return: one of enum mmlens_page. Context: Any.
 */
__u8 mmlens_page_kind(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long mapping;
	struct folio *folio;

	if (!page)
		return MMLENS_PAGE_DEVICE;
	if (is_zero_pfn(pfn))
		return MMLENS_PAGE_ZERO;
	folio = page_folio(page);
	/* Races with whoever frees the page: see above. */
	if (data_race(folio->page.page_type >> 24) == PGTY_hugetlb)
		return MMLENS_PAGE_HUGETLB;
	mapping = (unsigned long)READ_ONCE(folio->mapping);
	if ((mapping & FOLIO_MAPPING_FLAGS) == FOLIO_MAPPING_KSM)
		return MMLENS_PAGE_KSM;
	if (mapping & FOLIO_MAPPING_ANON)
		return MMLENS_PAGE_ANON;
	if (!mapping)
		return MMLENS_PAGE_KERNEL;
	/* Of pages in a page cache, those that go to swap are of shmem. */
	if (READ_ONCE(folio->flags.f) & BIT(PG_swapbacked))
		return MMLENS_PAGE_SHMEM;
	return MMLENS_PAGE_FILE;
}
