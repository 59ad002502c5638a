/* SPDX-License-Identifier: GPL-2.0 */
/* What the memory of buffers calls in C: see backing/helpers.c and backing/cache.c. */
#ifndef MMLENS_BACKING_HELPERS_H
#define MMLENS_BACKING_HELPERS_H

#include <linux/types.h>

struct page;
struct pci_dev;

/* A base address register of a PCI function. */
struct mmlens_bar {
	__u64 phys;
	__u64 bytes;
	bool is_memory;			/* not I/O ports, and assigned */
};

/* helpers.c */
struct page *mmlens_alloc_block(unsigned int order, bool compound);
struct page *mmlens_alloc_page(void);
unsigned int mmlens_block_order(void);
bool mmlens_encrypts_memory(void);
bool mmlens_has_ram(__u64 phys, __u64 bytes);
bool mmlens_maps_huge_pages(void);
void mmlens_memcpy(void *to, const void *from, unsigned long len);
void mmlens_memcpy_fromio(void *to, const void *from, unsigned long len);
void mmlens_memcpy_toio(void *to, const void *from, unsigned long len);
void *mmlens_page_address(const struct page *page);
void mmlens_read_bar(struct pci_dev *function, int number, struct mmlens_bar *bar);
int mmlens_security_locked_down_dev_mem(void);
void mmlens_vfree(const void *address);
void mmlens_vunmap(const void *address);
void *mmlens_vzalloc_account(unsigned long size);

/* cache.c; @cache is enum mmlens_cache */
void *mmlens_ioremap(__u64 phys, __u64 size, __u32 cache);
void mmlens_reset_pages_cache(struct page **pages, unsigned int count, __u32 cache);
int mmlens_set_pages_cache(struct page **pages, unsigned int count, __u32 cache);
void *mmlens_vmap(struct page **pages, unsigned int count, __u32 cache);

#endif /* MMLENS_BACKING_HELPERS_H */
