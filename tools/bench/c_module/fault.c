// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/device/mapping/pages.rs and huge.rs do. Each handler is there twice: with
 * the accounting of mmlens and without any.
 */
#include <linux/pagemap.h>

#include "peer.h"

/* A page of the buffer, which keeps it. */
static struct page *peer_page(const struct peer *peer, unsigned long index)
{
	return index < peer->pages ? peer->list[index] : NULL;
}

/* The page that a fault is to get, locked. 0, or how the fault ends. */
static vm_fault_t wanted(struct peer *peer, unsigned long pgoff, struct page **found)
{
	struct page *page = peer_page(peer, pgoff);

	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	if (folio_lock_killable(page_folio(page))) {
		put_page(page);
		return VM_FAULT_OOM;
	}
	if (peer_is_revoked(peer)) {
		folio_unlock(page_folio(page));
		put_page(page);
		return VM_FAULT_SIGBUS;
	}
	*found = page;
	return 0;
}

static __always_inline vm_fault_t hand_over(struct vm_fault *vmf, struct page *page)
{
	if (PageHWPoison(page)) {
		folio_unlock(page_folio(page));
		put_page(page);
		return VM_FAULT_HWPOISON;
	}
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

/* The outcome of what was not done. */
static unsigned int outcome(vm_fault_t ret)
{
	return ret & VM_FAULT_OOM ? MMLENS_OUTCOME_KILLED : MMLENS_OUTCOME_SIGBUS;
}

static __always_inline vm_fault_t fault(struct vm_fault *vmf, bool watched)
{
	struct peer *peer = vmf->vma->vm_private_data;
	struct peer_watch watch;
	struct page *page;
	vm_fault_t ret;

	if (watched)
		peer_begin(&watch, peer, MMLENS_OP_FAULT, vmf);
	ret = wanted(peer, vmf->pgoff, &page);
	if (watched)
		peer_end(&watch, ret ? outcome(ret) : MMLENS_OUTCOME_DONE, !ret);
	return ret ?: hand_over(vmf, page);
}

/* The pages of the object that the VMA maps by the same table as the one of the fault. */
static void same_table(const struct vm_fault *vmf, unsigned long *first, unsigned long *end)
{
	unsigned long start = max(vmf->address & PMD_MASK, vmf->vma->vm_start);
	unsigned long last = min(vmf->address | ~PMD_MASK, vmf->vma->vm_end - 1);

	*first = vmf->pgoff - ((vmf->address - start) >> PAGE_SHIFT);
	*end = vmf->pgoff + ((last - vmf->address) >> PAGE_SHIFT) + 1;
}

/* Maps pages where nothing is mapped yet. Returns how many. */
static unsigned long insert(struct peer *peer, struct vm_area_struct *vma, unsigned long first,
			    unsigned long end)
{
	unsigned long count = 0;

	while (first < end) {
		unsigned long addr = vma->vm_start + ((first - vma->vm_pgoff) << PAGE_SHIFT);
		unsigned long sound = first, left;
		int ret;

		while (sound < end && !PageHWPoison(peer->list[sound]))
			sound++;
		left = sound - first;
		ret = left ? vm_insert_pages(vma, addr, peer->list + first, &left) : -EBUSY;
		count += sound - first - left;
		if (ret && ret != -EBUSY)
			break;
		first = sound - left + 1;
	}
	return count;
}

/* Maps what is around a page. Returns how many pages. */
static unsigned long neighbours(struct peer *peer, struct vm_fault *vmf)
{
	unsigned long around = peer->setup.around;
	unsigned long first, end, count = 0;

	if (!down_read_trylock(&peer->gate))
		return 0;
	if (!peer_is_revoked(peer)) {
		same_table(vmf, &first, &end);
		first = max(first, vmf->pgoff & ~(around - 1));
		end = min3(end, (vmf->pgoff & ~(around - 1)) + around, peer->pages);
		count = insert(peer, vmf->vma, first, vmf->pgoff) +
			insert(peer, vmf->vma, vmf->pgoff + 1, end);
	}
	up_read(&peer->gate);
	return count;
}

static __always_inline vm_fault_t fault_around(struct vm_fault *vmf, bool watched)
{
	struct peer *peer = vmf->vma->vm_private_data;
	struct peer_watch watch;
	unsigned long count = 0;
	struct page *page;
	vm_fault_t ret;

	if (vmf->flags & FAULT_FLAG_WRITE)
		return fault(vmf, watched);
	if (watched)
		peer_begin(&watch, peer, MMLENS_OP_FAULT, vmf);
	ret = wanted(peer, vmf->pgoff, &page);
	if (!ret)
		count = 1 + neighbours(peer, vmf);
	if (watched)
		peer_end(&watch, ret ? outcome(ret) : MMLENS_OUTCOME_DONE, count);
	return ret ?: hand_over(vmf, page);
}

static __always_inline vm_fault_t mkwrite(struct vm_fault *vmf, bool watched)
{
	struct peer *peer = vmf->vma->vm_private_data;
	struct peer_watch watch;
	vm_fault_t ret = VM_FAULT_LOCKED;

	if (watched)
		peer_begin(&watch, peer, MMLENS_OP_PAGE_MKWRITE, vmf);
	if (folio_lock_killable(page_folio(vmf->page))) {
		ret = VM_FAULT_OOM;
	} else if (peer_is_revoked(peer)) {
		folio_unlock(page_folio(vmf->page));
		ret = VM_FAULT_SIGBUS;
	} else if (peer->dirty && vmf->pgoff < peer->pages &&
		   !test_and_set_bit(vmf->pgoff, peer->dirty) &&
		   !atomic64_fetch_inc(&peer->dirty_count)) {
		peer_notify(peer);
	}
	if (watched)
		peer_end(&watch, ret == VM_FAULT_LOCKED ? MMLENS_OUTCOME_DONE : outcome(ret),
			 ret == VM_FAULT_LOCKED);
	return ret;
}

static __always_inline vm_fault_t huge_fault(struct vm_fault *vmf, unsigned int order,
					     bool watched)
{
	unsigned long address = vmf->address & PMD_MASK;
	struct vm_area_struct *vma = vmf->vma;
	struct peer *peer = vma->vm_private_data;
	vm_fault_t ret = VM_FAULT_FALLBACK;
	struct peer_watch watch;
	unsigned long first;
	struct page *page;

	if (watched)
		peer_begin(&watch, peer, MMLENS_OP_HUGE_FAULT, vmf);
	/* SETUP has refused it; without this vmf_insert_folio_pmd() would be missed. */
	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		goto out;
	if (order != PMD_ORDER || address < vma->vm_start || address + PMD_SIZE > vma->vm_end)
		goto out;
	if (vmf->flags & FAULT_FLAG_WRITE && !(vma->vm_flags & VM_SHARED))
		goto out;
	first = vmf->pgoff - ((vmf->address - address) >> PAGE_SHIFT);
	if (first + HPAGE_PMD_NR > peer->pages)
		goto out;
	ret = wanted(peer, first, &page);
	if (ret)
		goto out;
	ret = VM_FAULT_FALLBACK;
	if (folio_order(page_folio(page)) == PMD_ORDER && !PageHWPoison(page) &&
	    !(page_to_pfn(page) & (HPAGE_PMD_NR - 1)))
		ret = vmf_insert_folio_pmd(vmf, page_folio(page), vmf->flags & FAULT_FLAG_WRITE);
	folio_unlock(page_folio(page));
	put_page(page);
out:
	if (!watched)
		return ret;
	if (ret & VM_FAULT_FALLBACK)
		peer_end(&watch, MMLENS_OUTCOME_FALLBACK, 0);
	else if (ret & VM_FAULT_NOPAGE)
		peer_end(&watch, MMLENS_OUTCOME_DONE, HPAGE_PMD_NR);
	else
		peer_end(&watch, outcome(ret), 0);
	return ret;
}

/* As rust/vm/table.rs has it: without a map_pages faults need the mmap lock. */
static vm_fault_t map_nothing(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	return 0;
}

#define HANDLERS(name, watched)							\
static vm_fault_t name##_fault(struct vm_fault *vmf)				\
{										\
	return fault(vmf, watched);						\
}										\
										\
static vm_fault_t name##_around(struct vm_fault *vmf)				\
{										\
	return fault_around(vmf, watched);					\
}										\
										\
static vm_fault_t name##_mkwrite(struct vm_fault *vmf)				\
{										\
	return mkwrite(vmf, watched);						\
}										\
										\
static vm_fault_t name##_huge(struct vm_fault *vmf, unsigned int order)		\
{										\
	return huge_fault(vmf, order, watched);					\
}										\
										\
static const struct vm_operations_struct name##_tables[] = {			\
	{ .map_pages = map_nothing, .fault = name##_fault },			\
	{ .map_pages = map_nothing, .fault = name##_fault,			\
	  .page_mkwrite = name##_mkwrite },					\
	{ .map_pages = map_nothing, .fault = name##_around },			\
	{ .map_pages = map_nothing, .fault = name##_around,			\
	  .page_mkwrite = name##_mkwrite },					\
	{ .map_pages = map_nothing, .fault = name##_fault,			\
	  .huge_fault = name##_huge },						\
}

HANDLERS(watched, true);
HANDLERS(bare, false);

/* The operations of the VMAs of a buffer. */
const struct vm_operations_struct *peer_table(const struct peer *peer)
{
	bool is_bare = peer->setup.flags & PEER_SETUP_BARE;
	unsigned int index = !!(peer->setup.flags & MMLENS_SETUP_TRACK);

	if (peer->setup.strategy == MMLENS_STRATEGY_AROUND)
		index += 2;
	else if (peer->setup.strategy == MMLENS_STRATEGY_HUGE)
		index = 4;
	return is_bare ? &bare_tables[index] : &watched_tables[index];
}
