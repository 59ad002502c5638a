// SPDX-License-Identifier: GPL-2.0
/*
 * Wrappers of inline functions and macros for the layer of vm_operations, in the order
 * of the alphabet: of one call, or of what would be several for each fault or page. No policy here.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/pseudo_fs.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

#include "helpers.h"

/* See PMD_ORDER in vm/huge.rs. */
static_assert(PMD_SHIFT - PAGE_SHIFT == PAGE_SHIFT - 3);

void mmlens_get_page(struct page *page)
{
	get_page(page);
}

/* Locked, with a reference; neither if the task is being killed. */
int mmlens_get_locked_page(struct page *page)
{
	get_page(page);
	if (!folio_lock_killable(page_folio(page)))
		return 0;
	put_page(page);
	return -EINTR;
}

int mmlens_init_pseudo(struct fs_context *fc)
{
	return init_pseudo(fc, 0x6d6d6c6e) ? 0 : -ENOMEM;
}

/* Not if its memory is broken: faults tell of that. */
int mmlens_insert_page(struct vm_area_struct *vma, unsigned long addr, struct page *page)
{
	return PageHWPoison(page) ? 0 : vm_insert_page(vma, addr, page);
}

/*
 * Those where nothing is mapped yet, and whose memory is not broken, with as few locks as
 * can be. Returns how many; not all if there is no memory for a table, or it went away.
 */
unsigned long mmlens_insert_pages(struct vm_area_struct *vma, unsigned long addr,
				  struct page **pages, unsigned long nr)
{
	unsigned long at = 0, count = 0;

	while (at < nr) {
		unsigned long sound = at, left;
		int ret;

		while (sound < nr && !PageHWPoison(pages[sound]))
			sound++;
		left = sound - at;
		ret = -EBUSY;
		if (left)
			ret = vm_insert_pages(vma, addr + at * PAGE_SIZE, pages + at, &left);
		count += sound - at - left;
		if (ret && ret != -EBUSY)
			break;
		/* The next one is mapped, or broken, or there is none. */
		at = sound - left + 1;
	}
	return count;
}

bool mmlens_is_hwpoison(const struct page *page)
{
	return PageHWPoison(page);
}

bool mmlens_is_pmd_folio(const struct page *page)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	return folio_order(page_folio(page)) == PMD_ORDER && !PageHWPoison(page);
#else
	return false;
#endif
}

int mmlens_lock_page_killable(struct page *page)
{
	return folio_lock_killable(page_folio(page));
}

/*
 * Waits for the lock of the first page, and tries those of the others that have a bit in
 * wanted, until one is locked or has not the frame that follows. The bits of those that
 * it has locked; none if the task is being killed.
 */
__u64 mmlens_lock_pages(struct page *const *pages, __u64 wanted)
{
	unsigned long first = page_to_pfn(pages[0]);
	__u64 locked = 1;

	/* Who need not wait would not notice that it is being killed. */
	if (fatal_signal_pending(current) || folio_lock_killable(page_folio(pages[0])))
		return 0;
	for (wanted &= ~1ULL; wanted; wanted &= wanted - 1) {
		unsigned int at = __ffs64(wanted);

		if (page_to_pfn(pages[at]) != first + at || !folio_trylock(page_folio(pages[at])))
			break;
		locked |= BIT_ULL(at);
	}
	return locked;
}

int mmlens_mapping_wrprotect_range(struct address_space *mapping, unsigned long pgoff,
				   unsigned long pfn, unsigned long pages)
{
	return mapping_wrprotect_range(mapping, pgoff, pfn, pages);
}

bool mmlens_mm_has_users(const struct mm_struct *mm)
{
	return atomic_read(&mm->mm_users);
}

unsigned long mmlens_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

unsigned int mmlens_pud_order(void)
{
	return PUD_SHIFT - PAGE_SHIFT;
}

void mmlens_put_locked_page(struct page *page)
{
	folio_unlock(page_folio(page));
	put_page(page);
}

void mmlens_put_page(struct page *page)
{
	put_page(page);
}

int mmlens_remap_vmalloc_range(struct vm_area_struct *vma, void *area, unsigned long pgoff)
{
	return remap_vmalloc_range(vma, area, pgoff);
}

void mmlens_unlock_page(struct page *page)
{
	folio_unlock(page_folio(page));
}

void mmlens_unlock_pages(struct page *const *pages, __u64 locked)
{
	for (; locked; locked &= locked - 1)
		folio_unlock(page_folio(pages[__ffs64(locked)]));
}

void mmlens_vma_set_device(struct vm_area_struct *vma)
{
	vma->vm_page_prot = pgprot_device(vma->vm_page_prot);
}

void mmlens_vma_set_flags(struct vm_area_struct *vma, unsigned long flags)
{
	vm_flags_set(vma, flags);
}

void mmlens_vma_set_noncached(struct vm_area_struct *vma)
{
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
}

void mmlens_vma_set_writecombine(struct vm_area_struct *vma)
{
	vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
}

/*
 * As vma_set_page_prot() will, once mmap() has returned, if writes are to be notified.
 * To be called before the VMA gets another cache type than memory has.
 */
void mmlens_vma_wrprotect(struct vm_area_struct *vma)
{
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags & ~VM_SHARED);
}

/* Whether there is a table of ptes, so that inserting one allocates nothing. */
bool mmlens_vmf_has_table(const struct vm_fault *vmf)
{
	pmd_t pmd = pmdp_get_lockless(vmf->pmd);

	return pmd_present(pmd) && !pmd_leaf(pmd);
}

/*
 * Whether a write may be told to the functions that insert a huge entry: only of one that is
 * there, and read-only. If none is there, they take a table that the fault of another thread
 * puts there at the same time for a mistake of the driver, and warn (insert_pmd(),
 * mm/huge_memory.c). What they insert for a read has the same rights, and the access is done
 * again.
 */
static inline bool is_upgrade(const struct vm_fault *vmf, bool pud)
{
	return pud ? pud_leaf(pudp_get(vmf->pud)) : mmlens_vmf_is_huge(vmf);
}

unsigned int mmlens_vmf_insert_folio_pmd(struct vm_fault *vmf, struct page *page, bool write)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	return vmf_insert_folio_pmd(vmf, page_folio(page), write && is_upgrade(vmf, false));
#else
	return VM_FAULT_FALLBACK;
#endif
}

unsigned int mmlens_vmf_insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn, bool write)
{
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	return vmf_insert_pfn_pmd(vmf, pfn, write && is_upgrade(vmf, false));
#else
	return VM_FAULT_FALLBACK;
#endif
}

unsigned int mmlens_vmf_insert_pfn_pud(struct vm_fault *vmf, unsigned long pfn, bool write)
{
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	return vmf_insert_pfn_pud(vmf, pfn, write && is_upgrade(vmf, true));
#else
	return VM_FAULT_FALLBACK;
#endif
}

/*
 * With the rights of the VMA, although its vm_page_prot leaves writing out. Not by
 * pgprot_modify(), which on x86 wants a symbol that is not exported.
 */
unsigned int mmlens_vmf_insert_pfn_writable(struct vm_area_struct *vma, unsigned long addr,
					    unsigned long pfn)
{
	pte_t pte = pfn_pte(pfn, vma->vm_page_prot);

	if (vma->vm_flags & VM_WRITE)
		pte = pte_mkwrite_novma(pte);
	return vmf_insert_pfn_prot(vma, addr, pfn, pte_pgprot(pte));
}

/* Not of a fault that wants a pud: there may be no table of pmds yet. */
bool mmlens_vmf_is_huge(const struct vm_fault *vmf)
{
	return vmf->pmd && pmd_leaf(pmdp_get_lockless(vmf->pmd));
}
