// SPDX-License-Identifier: GPL-2.0
/*
 * Cache types of memory, which each architecture does in its own way. Pages that are
 * not write-back must not be so anywhere: neither in the vmap() over them nor in the
 * linear map, as far as that can be had.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>
#ifdef CONFIG_X86
#include <asm/set_memory.h>
#endif
#ifdef CONFIG_ARM64
#include <linux/libnvdimm.h>
#endif

#include "helpers.h"
#include "../uapi/mmlens.h"

/**
 * mmlens_set_pages_cache() - give pages a cache type in the linear map
 * @pages: pages that nobody else uses
 * @count: how many
 * @cache: enum mmlens_cache
 *
 * x86 changes the linear map, and remembers the type, so that mappings by frame number
 * get the same. arm64 has no means for that: as its dma_alloc_coherent(), this takes
 * what was written out of the caches, and nobody uses the linear map afterwards.
 *
 * Return: 0 or a negative errno. Context: may sleep.
 */
int mmlens_set_pages_cache(struct page **pages, unsigned int count, __u32 cache)
{
	if (cache == MMLENS_CACHE_WB)
		return 0;
#ifdef CONFIG_X86
	return cache == MMLENS_CACHE_WC ? set_pages_array_wc(pages, count) :
					  set_pages_array_uc(pages, count);
#else
	for (unsigned int i = 0; i < count; i++) {
		void *address = page_address(pages[i]);

		/* First what was written, or it would be lost with the lines. */
		arch_wb_cache_pmem(address, PAGE_SIZE);
		arch_invalidate_pmem(address, PAGE_SIZE);
	}
	return 0;
#endif
}

/* Takes that back, once nothing but the linear map maps the pages. */
void mmlens_reset_pages_cache(struct page **pages, unsigned int count, __u32 cache)
{
	if (cache == MMLENS_CACHE_WB)
		return;
#ifdef CONFIG_X86
	set_pages_array_wb(pages, count);
#else
	/* Lines that were read ahead by the linear map are older than what was written. */
	for (unsigned int i = 0; i < count; i++)
		arch_invalidate_pmem(page_address(pages[i]), PAGE_SIZE);
#endif
}

static pgprot_t kernel_prot(__u32 cache)
{
	switch (cache) {
	case MMLENS_CACHE_WC:
		return pgprot_writecombine(PAGE_KERNEL);
	case MMLENS_CACHE_UC:
		return pgprot_noncached(PAGE_KERNEL);
	default:
		return PAGE_KERNEL;
	}
}

/* With VM_USERMAP: the pages are zeroed, and remap_vmalloc_range() may map them. */
void *mmlens_vmap(struct page **pages, unsigned int count, __u32 cache)
{
	return vmap(pages, count, VM_MAP | VM_USERMAP, kernel_prot(cache));
}

void *mmlens_ioremap(__u64 phys, __u64 size, __u32 cache)
{
	switch (cache) {
	case MMLENS_CACHE_WC:
		return (void __force *)ioremap_wc(phys, size);
	case MMLENS_CACHE_UC:
		return (void __force *)ioremap(phys, size);
	default:
		return (void __force *)ioremap_cache(phys, size);
	}
}
