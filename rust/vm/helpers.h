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
int mmlens_init_pseudo(struct fs_context *fc);
bool mmlens_is_hwpoison(const struct page *page);
bool mmlens_is_pmd_folio(const struct page *page);
int mmlens_lock_page_killable(struct page *page);
int mmlens_mapping_wrprotect_page(struct address_space *mapping, unsigned long pgoff,
				  unsigned long pfn);
bool mmlens_mm_has_users(const struct mm_struct *mm);
unsigned long mmlens_page_to_pfn(const struct page *page);
unsigned int mmlens_pmd_order(void);
unsigned int mmlens_pud_order(void);
void mmlens_put_page(struct page *page);
int mmlens_remap_vmalloc_range(struct vm_area_struct *vma, void *area, unsigned long pgoff);
void mmlens_unlock_page(struct page *page);
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
