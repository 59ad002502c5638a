// SPDX-License-Identifier: GPL-2.0
/*
 * Wrappers of inline functions and macros for the memory of buffers, in the order of
 * the alphabet.
 */
#include <linux/cc_platform.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pgtable.h>
#include <linux/security.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "helpers.h"

/* Zeroed, and charged to the memory cgroup of the caller. */
#define GFP_BUFFER (GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

/*
 * A compound page, or pages with a count each. Fails if memory is short, and kills nobody:
 * whoever asks for a buffer can be told.
 */
struct page *mmlens_alloc_block(unsigned int order, bool compound)
{
	const gfp_t gfp = GFP_BUFFER | __GFP_RETRY_MAYFAIL;
	struct page *page = alloc_pages(compound ? gfp | __GFP_COMP : gfp, order);

	if (page && order && !compound)
		split_page(page, order);
	return page;
}

/*
 * A page that is used now. Whoever faults cannot be told that there is none, and would fault
 * for ever: somebody has to go, as with any other memory.
 */
struct page *mmlens_alloc_page(void)
{
	return alloc_page(GFP_BUFFER);
}

/* The largest block: that of a huge page, or what the page allocator has. */
unsigned int mmlens_block_order(void)
{
	return min(PMD_SHIFT - PAGE_SHIFT, MAX_PAGE_ORDER);
}

bool mmlens_encrypts_memory(void)
{
	return cc_platform_has(CC_ATTR_MEM_ENCRYPT);
}

bool mmlens_has_ram(__u64 phys, __u64 bytes)
{
	return region_intersects(phys, bytes, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	       REGION_DISJOINT;
}

bool mmlens_maps_huge_pages(void)
{
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE);
}

void mmlens_memcpy(void *to, const void *from, unsigned long len)
{
	memcpy(to, from, len);
}

void mmlens_memcpy_fromio(void *to, const void *from, unsigned long len)
{
	memcpy_fromio(to, (const void __iomem __force *)from, len);
}

void mmlens_memcpy_toio(void *to, const void *from, unsigned long len)
{
	memcpy_toio((void __iomem __force *)to, from, len);
}

void *mmlens_page_address(const struct page *page)
{
	return page_address(page);
}

void mmlens_read_bar(struct pci_dev *function, int number, struct mmlens_bar *bar)
{
	bar->phys = pci_resource_start(function, number);
	bar->bytes = pci_resource_len(function, number);
	bar->is_memory = bar->phys && pci_resource_flags(function, number) & IORESOURCE_MEM;
}

int mmlens_security_locked_down_dev_mem(void)
{
	return security_locked_down(LOCKDOWN_DEV_MEM);
}

void mmlens_vfree(const void *address)
{
	vfree(address);
}

void mmlens_vunmap(const void *address)
{
	vunmap(address);
}

void *mmlens_vzalloc_account(unsigned long size)
{
	return __vmalloc(size, GFP_BUFFER | __GFP_RETRY_MAYFAIL);
}
