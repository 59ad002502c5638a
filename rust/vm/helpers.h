/* SPDX-License-Identifier: GPL-2.0 */
/* What the layer of vm_operations calls in C: see vm/helpers.c. */
#ifndef MMLENS_VM_HELPERS_H
#define MMLENS_VM_HELPERS_H

#include <linux/types.h>

struct address_space;
struct inode;
struct mm_struct;
struct fs_context;
struct page;
struct vm_area_struct;
struct vm_fault;

void mmlens_get_page(struct page *page);
int mmlens_get_locked_page(struct page *page);
int mmlens_init_pseudo(struct fs_context *fc);
int mmlens_insert_page(struct vm_area_struct *vma, unsigned long addr, struct page *page);
unsigned long mmlens_insert_pages(struct vm_area_struct *vma, unsigned long addr,
				  struct page **pages, unsigned long nr);
bool mmlens_is_hwpoison(const struct page *page);
bool mmlens_is_pmd_folio(const struct page *page);
int mmlens_lock_page_killable(struct page *page);
__u64 mmlens_lock_pages(struct page *const *pages, __u64 wanted);
int mmlens_mapping_wrprotect_range(struct address_space *mapping, unsigned long pgoff,
				   unsigned long pfn, unsigned long pages);
bool mmlens_mm_has_users(const struct mm_struct *mm);
unsigned long mmlens_page_to_pfn(const struct page *page);
unsigned int mmlens_pud_order(void);
void mmlens_put_locked_page(struct page *page);
void mmlens_put_page(struct page *page);
int mmlens_remap_vmalloc_range(struct vm_area_struct *vma, void *area, unsigned long pgoff);
void mmlens_unlock_page(struct page *page);
void mmlens_unlock_pages(struct page *const *pages, __u64 locked);
unsigned int mmlens_vmf_insert_folio_pmd(struct vm_fault *vmf, struct page *page, bool write);
unsigned int mmlens_vmf_insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn, bool write);
unsigned int mmlens_vmf_insert_pfn_pud(struct vm_fault *vmf, unsigned long pfn, bool write);
unsigned int mmlens_vmf_insert_pfn_writable(struct vm_area_struct *vma, unsigned long addr,
					    unsigned long pfn);
bool mmlens_vmf_has_table(const struct vm_fault *vmf);
bool mmlens_vmf_is_huge(const struct vm_fault *vmf);
void mmlens_vma_set_device(struct vm_area_struct *vma);
void mmlens_vma_set_flags(struct vm_area_struct *vma, unsigned long flags);
void mmlens_vma_set_noncached(struct vm_area_struct *vma);
void mmlens_vma_set_writecombine(struct vm_area_struct *vma);
void mmlens_vma_wrprotect(struct vm_area_struct *vma);

#endif /* MMLENS_VM_HELPERS_H */
