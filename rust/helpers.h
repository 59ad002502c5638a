/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Rust calls in C: declarations only, so that bindgen can read them
 * without the kernel's headers. helpers.c has the one-call wrappers of inline
 * functions and macros, tables.c the look at the page tables, machine.c what is
 * the same for all processes.
 */
#ifndef MMLENS_HELPERS_H
#define MMLENS_HELPERS_H

#include <linux/types.h>

#include "backing/helpers.h"
#include "uapi/mmlens.h"
#include "vm/helpers.h"

struct address_space;
struct anon_vma;
struct dentry;
struct file;
struct file_operations;
struct folio;
struct inode;
struct mm_struct;
struct mmlens_event;
struct mutex;
struct page;
struct pid;
struct pid_namespace;
struct seq_file;
struct task_struct;
struct vm_area_struct;
struct vma_iterator;

/* What the per-VMA lock says of a VMA. */
struct mmlens_vma_lock {
	__u32 vma_seq;			/* vm_lock_seq */
	__u32 mm_seq;			/* mm_lock_seq of its mm */
	__u32 refcount;			/* 1, and 1 for each reader */
};

/* A copy of a memory policy. */
struct mmlens_policy {
	__u16 mode;			/* MPOL_BIND, ... */
	__u16 flags;			/* MPOL_F_* */
	__u64 nodes[16];
};

/* helpers.c */
struct file *mmlens_anon_inode_getfile(const char *name, const struct file_operations *fops,
				       int flags);
bool mmlens_anon_vma_is_root(const struct anon_vma *anon_vma);
const char *mmlens_anon_vma_name(struct vm_area_struct *vma);
bool mmlens_arch_pkeys_enabled(void);
__u64 mmlens_clear_bits(__u64 bits, __u64 *word, __u64 *count);
void mmlens_cond_resched(void);
int mmlens_empty_area(struct mm_struct *mm, unsigned long min, unsigned long max,
		      unsigned long size, unsigned long *first);
int mmlens_empty_area_rev(struct mm_struct *mm, unsigned long min, unsigned long max,
			  unsigned long size, unsigned long *last);
bool mmlens_fatal_signal_pending(void);
struct dentry *mmlens_file_dentry(const struct file *file);
const struct inode *mmlens_file_user_inode(struct file *file);
int mmlens_folio_mapcount(const struct folio *folio);
int mmlens_folio_nid(const struct folio *folio);
unsigned int mmlens_folio_order(const struct folio *folio);
unsigned long mmlens_folio_pfn(const struct folio *folio);
void mmlens_folio_put(struct folio *folio);
int mmlens_folio_ref_count(const struct folio *folio);
bool mmlens_folio_try_get(struct folio *folio);
bool mmlens_fops_get(const struct file_operations *fops);
void mmlens_get_file(struct file *file);
unsigned long mmlens_get_mm_counter_sum(struct mm_struct *mm, int member);
void mmlens_get_pid(struct pid *pid);
void mmlens_get_task_comm(char *comm, struct task_struct *task);
struct vm_area_struct *mmlens_i_mmap_first(struct address_space *mapping, unsigned long first,
					   unsigned long last);
struct vm_area_struct *mmlens_i_mmap_next(struct vm_area_struct *vma, unsigned long first,
					  unsigned long last);
long long mmlens_i_size_read(const struct inode *inode);
const struct file_operations *mmlens_inode_fops(const struct inode *inode);
void *mmlens_kvmalloc_account(unsigned long count, unsigned long size);
__u64 mmlens_mm_flags(const struct mm_struct *mm);
unsigned long mmlens_mm_hugetlb_usage(const struct mm_struct *mm);
unsigned long mmlens_mm_pgtables_bytes(struct mm_struct *mm);
unsigned long mmlens_mmap_base(const struct mm_struct *mm);
bool mmlens_mmap_is_topdown(const struct mm_struct *mm);
unsigned long mmlens_mmap_legacy_base(const struct mm_struct *mm);
bool mmlens_mmap_lock_is_contended(struct mm_struct *mm);
bool mmlens_mmap_lock_is_locked(struct mm_struct *mm);
bool mmlens_may_show_pointers(void);
int mmlens_mmap_read_lock_killable(struct mm_struct *mm);
int mmlens_mutex_lock_killable(struct mutex *lock);
struct task_struct *mmlens_next_thread(struct task_struct *task);
bool mmlens_page_anon_exclusive(const struct page *page);
unsigned long mmlens_page_cgroup_ino(struct page *page);
struct folio *mmlens_page_folio(struct page *page);
bool mmlens_page_is_usable(const struct page *page);
int mmlens_page_mapcount(const struct folio *folio, const struct page *page);
struct page *mmlens_pfn_to_online_page(unsigned long pfn);
const void *mmlens_phys_to_virt(__u64 address);
void mmlens_replace_fops(struct file *file, const struct file_operations *fops);
int mmlens_security_locked_down_kcore(void);
void mmlens_seq_file_path(struct seq_file *m, struct file *file);
bool mmlens_set_bit(unsigned int bit, __u64 *word, __u64 *count);
unsigned long mmlens_stack_top(const struct mm_struct *mm);
int mmlens_task_ppid_nr(const struct task_struct *task);
unsigned long mmlens_task_rlimit_stack(const struct task_struct *task);
__u64 mmlens_task_tgid_ino(struct task_struct *task);
const __u64 *mmlens_user_pgd(const struct mm_struct *mm);
__u64 mmlens_virt_to_phys(const void *address);
unsigned long mmlens_vma_flags(const struct vm_area_struct *vma);
bool mmlens_vma_has_userfaultfd(const struct vm_area_struct *vma);
bool mmlens_vma_is_initial_heap(const struct vm_area_struct *vma);
bool mmlens_vma_is_initial_stack(const struct vm_area_struct *vma);
void mmlens_vma_iter_init(struct vma_iterator *iter, struct mm_struct *mm, unsigned long addr);
bool mmlens_vma_lock(const struct vm_area_struct *vma, struct mmlens_vma_lock *lock);
struct vm_area_struct *mmlens_vma_next(struct vma_iterator *iter);
bool mmlens_vma_policy(const struct vm_area_struct *vma, struct mmlens_policy *policy);
struct vm_area_struct *mmlens_vma_prev(struct mm_struct *mm, unsigned long addr);

/* tables.c */

/* What one look at the tables found. */
struct mmlens_snapshot {
	__u32 reached;			/* lowest level of which an entry was read */
	__u32 nr;			/* entries copied from the wanted level */
	__u64 address;			/* physical, of the first one copied */
	__u64 path[MMLENS_LEVELS];	/* entries followed, by level */
};

/* Neighbours in a table that are alike: Same in pt/scan.rs. */
struct mmlens_same {
	__u64 raw;			/* the first of them */
	__u32 count;
	__u32 in_order;			/* page frames follow one another */
};

/* What mmlens_scan_tables() needs to know, by level. */
struct mmlens_scan {
	__u64 mask[MMLENS_LEVELS];	/* bits in which leaves that are alike agree */
	__u8 shift[8];			/* as in struct mmlens_machine */
};

void mmlens_read_machine(struct mmlens_machine *machine);
unsigned int mmlens_scan_tables(struct mm_struct *mm, unsigned long addr, unsigned long end,
				const struct mmlens_scan *scan, unsigned int max,
				struct mmlens_snapshot *snapshot, struct mmlens_same *same);
void mmlens_read_tables(struct mm_struct *mm, unsigned long addr,
			unsigned int level, unsigned int max,
			struct mmlens_snapshot *snapshot, __u64 *entries);

/* pages.c */

/* What struct page says of a page: PageKind in pt/page.rs. */
enum mmlens_page {
	MMLENS_PAGE_UNKNOWN,
	MMLENS_PAGE_DEVICE,
	MMLENS_PAGE_ZERO,
	MMLENS_PAGE_ANON,
	MMLENS_PAGE_KSM,
	MMLENS_PAGE_FILE,
	MMLENS_PAGE_SHMEM,
	MMLENS_PAGE_HUGETLB,
	MMLENS_PAGE_KERNEL,
};

__u8 mmlens_page_kind(unsigned long pfn);

/* params.c */

/* Room for what the parameter setup says. */
#define MMLENS_SETUP_WORDS	96

extern unsigned int mmlens_max_buffer_mib;
extern bool mmlens_kernel_walk;
extern char *mmlens_io;
extern char *mmlens_pci;

void mmlens_read_setup(char *words);
/* In params.rs. */
int mmlens_check_setup(const char *words, unsigned long len);

/* trace.c */
void mmlens_count(__u64 *one, __u64 *another, __u64 *sum, __u64 more, __u64 *other_sum,
		  __u64 other_more);
void mmlens_trace_fault(__u64 buffer, struct pid_namespace *ns, struct mmlens_event *event);
void mmlens_trace_mkwrite(__u64 buffer, struct pid_namespace *ns, struct mmlens_event *event);
void mmlens_trace_vma(__u64 buffer, struct pid_namespace *ns, struct mmlens_event *event);

/* uaccess.c */

/* Neighbours of which the same is to be said: Stretch in pt/scan.rs. */
struct mmlens_stretch {
	__u64 flags;			/* MMLENS_PT_...; 0: nothing */
	__u64 count;
};

long mmlens_put_entries(__u64 *to, __u64 start, __u64 first, __u64 size, const __u64 *raws,
			const struct mmlens_stretch *stretches, unsigned long nr);
int mmlens_put_words(__u64 *to, const __u64 *words, unsigned long nr);

/* machine.c */

#define MMLENS_MAX_REGIONS	24
#define MMLENS_MAX_OFFSETS	8
#define MMLENS_MAX_REGISTERS	16

/* A region of the kernel's address space. The strings are constants. */
struct mmlens_region {
	const char *name;
	const char *what;
	__u64 start;
	__u64 last;			/* inclusive; 0: not known, @what says why */
};

/* A number that was chosen at boot. */
struct mmlens_offset {
	const char *name;
	const char *what;		/* or NULL */
	__u64 value;
	bool relative;			/* a signed distance */
};

/* What can be said of the place of the kernel image. */
struct mmlens_image {
	__u64 inside;			/* an address in its text */
	__u64 floor;			/* it lies in here: */
	__u64 ceiling;			/* exclusive */
	__u64 linked;			/* address that _text was linked to */
	__u64 head;			/* bytes from _text to _stext */
	__u64 physical;			/* physical minus virtual address */
	bool complete;			/* all of it has symbols, not only the text */
};

struct mmlens_register {
	const char *name;
	__u64 value;
	bool known;			/* it could be read */
};

/* The tables that translate kernel addresses. */
struct mmlens_kernel_root {
	__u64 root;			/* physical address of the top one */
	__u64 address_bits;		/* of a virtual address */
};

void mmlens_read_image(struct mmlens_image *image);
void mmlens_read_kernel_root(struct mmlens_kernel_root *root);
/* These fill in up to @max and return how many. */
unsigned int mmlens_read_offsets(struct mmlens_offset *offsets, unsigned int max);
unsigned int mmlens_read_regions(struct mmlens_region *regions, unsigned int max);
unsigned int mmlens_read_registers(struct mmlens_register *registers, unsigned int max,
				   unsigned int *cpu);

#endif /* MMLENS_HELPERS_H */
