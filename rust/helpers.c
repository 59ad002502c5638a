// SPDX-License-Identifier: GPL-2.0
/*
 * Wrappers of inline functions and macros, in alphabetical order: of one call, or of
 * what belongs together. No policy: what a wrapper needs is what the function it calls needs.
 */
#include <linux/anon_inodes.h>
#include <linux/bitmap.h>
#include <linux/fs.h>
#include <linux/interval_tree_generic.h>
#include <linux/io.h>
#include <linux/memcontrol.h>
#include <linux/memory_hotplug.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/pid.h>
#include <linux/pkeys.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#ifdef CONFIG_X86_64
#include <asm/cpufeature.h>
#endif

#include "helpers.h"

/* The tree of mapping->i_mmap, whose functions mm/interval_tree.c keeps to itself. */
static inline pgoff_t mmlens_start_pgoff(struct vm_area_struct *vma)
{
	return vma->vm_pgoff;
}

INTERVAL_TREE_DEFINE(struct vm_area_struct, shared.rb, unsigned long, shared.rb_subtree_last,
		     mmlens_start_pgoff, vma_last_pgoff, static __maybe_unused, mmlens_i_mmap)

struct file *mmlens_anon_inode_getfile(const char *name, const struct file_operations *fops,
				       int flags)
{
	/* What opening a regular file that is not named sets: pread(), and f_pos under its lock. */
	return anon_inode_getfile_fmode(name, fops, NULL, flags, FMODE_PREAD | FMODE_ATOMIC_POS);
}

bool mmlens_anon_vma_is_root(const struct anon_vma *anon_vma)
{
	return anon_vma->root == anon_vma;
}

const char *mmlens_anon_vma_name(struct vm_area_struct *vma)
{
#ifdef CONFIG_ANON_VMA_NAME
	/* Not anon_vma_name(), which is not exported. */
	return vma->anon_name ? vma->anon_name->name : NULL;
#else
	return NULL;
#endif
}

bool mmlens_arch_pkeys_enabled(void)
{
	return arch_pkeys_enabled();
}

/* Returns those of them that were set, and counts that. */
__u64 mmlens_clear_bits(__u64 bits, __u64 *word, __u64 *count)
{
	bits &= atomic64_fetch_andnot_relaxed(bits, (atomic64_t *)word);
	atomic64_sub(hweight64(bits), (atomic64_t *)count);
	return bits;
}

void mmlens_cond_resched(void)
{
	cond_resched();
}

int mmlens_empty_area(struct mm_struct *mm, unsigned long min, unsigned long max,
		      unsigned long size, unsigned long *first)
{
	MA_STATE(mas, &mm->mm_mt, 0, 0);
	int ret = mas_empty_area(&mas, min, max, size);

	*first = mas.index;
	return ret;
}

int mmlens_empty_area_rev(struct mm_struct *mm, unsigned long min, unsigned long max,
			  unsigned long size, unsigned long *last)
{
	MA_STATE(mas, &mm->mm_mt, 0, 0);
	int ret = mas_empty_area_rev(&mas, min, max, size);

	*last = mas.last;
	return ret;
}

bool mmlens_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

struct dentry *mmlens_file_dentry(const struct file *file)
{
	return file_dentry(file);
}

const struct inode *mmlens_file_user_inode(struct file *file)
{
	return file_user_inode(file);
}

int mmlens_folio_mapcount(const struct folio *folio)
{
	return folio_mapcount(folio);
}

int mmlens_folio_nid(const struct folio *folio)
{
	return folio_nid(folio);
}

unsigned int mmlens_folio_order(const struct folio *folio)
{
	return folio_order(folio);
}

unsigned long mmlens_folio_pfn(const struct folio *folio)
{
	return folio_pfn(folio);
}

void mmlens_folio_put(struct folio *folio)
{
	folio_put(folio);
}

int mmlens_folio_ref_count(const struct folio *folio)
{
	return folio_ref_count(folio);
}

bool mmlens_folio_try_get(struct folio *folio)
{
	return folio_try_get(folio);
}

bool mmlens_fops_get(const struct file_operations *fops)
{
	return fops_get(fops);
}

void mmlens_get_file(struct file *file)
{
	get_file(file);
}

unsigned long mmlens_get_mm_counter_sum(struct mm_struct *mm, int member)
{
	return get_mm_counter_sum(mm, member);
}

void mmlens_get_pid(struct pid *pid)
{
	get_pid(pid);
}

void mmlens_get_task_comm(char *comm, struct task_struct *task)
{
	strscpy_pad(comm, task->comm, TASK_COMM_LEN);
}

struct vm_area_struct *mmlens_i_mmap_first(struct address_space *mapping, unsigned long first,
					   unsigned long last)
{
	return mmlens_i_mmap_iter_first(&mapping->i_mmap, first, last);
}

struct vm_area_struct *mmlens_i_mmap_next(struct vm_area_struct *vma, unsigned long first,
					  unsigned long last)
{
	return mmlens_i_mmap_iter_next(vma, first, last);
}

long long mmlens_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

/* What its files are opened with. */
const struct file_operations *mmlens_inode_fops(const struct inode *inode)
{
	return inode->i_fop;
}

/* As what a buffer is made of: whoever wants more than his cgroup may have is told. */
void *mmlens_kvmalloc_account(unsigned long count, unsigned long size)
{
	return kvmalloc_array(count, size,
			      GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
}

__u64 mmlens_mm_flags(const struct mm_struct *mm)
{
	static_assert(NUM_MM_FLAG_BITS == BITS_PER_LONG);
	return __mm_flags_get_word(mm);
}

unsigned long mmlens_mm_hugetlb_usage(const struct mm_struct *mm)
{
#ifdef CONFIG_HUGETLB_PAGE
	return atomic_long_read(&mm->hugetlb_usage);
#else
	return 0;
#endif
}

unsigned long mmlens_mm_pgtables_bytes(struct mm_struct *mm)
{
	return mm_pgtables_bytes(mm);
}

/* The one that mmap() of the program uses. */
unsigned long mmlens_mmap_base(const struct mm_struct *mm)
{
#ifdef CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES
	if (mm->task_size <= SZ_4G)
		return mm->mmap_compat_base;
#endif
	return mm->mmap_base;
}

bool mmlens_mmap_is_topdown(const struct mm_struct *mm)
{
	return mm_flags_test(MMF_TOPDOWN, mm);
}

/* Its counterpart that goes up, 0 if this architecture does not keep it. */
unsigned long mmlens_mmap_legacy_base(const struct mm_struct *mm)
{
#ifdef CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES
	if (mm->task_size <= SZ_4G)
		return mm->mmap_compat_legacy_base;
#endif
	return mm->mmap_legacy_base;
}

bool mmlens_mmap_lock_is_contended(struct mm_struct *mm)
{
	return mmap_lock_is_contended(mm);
}

bool mmlens_mmap_lock_is_locked(struct mm_struct *mm)
{
	return rwsem_is_locked(&mm->mmap_lock);
}

bool mmlens_may_show_pointers(void)
{
	char text[2 * sizeof(void *) + 1];

	/* kptr_restrict is not exported, but this specifier obeys it: zeros if not. */
	snprintf(text, sizeof(text), "%pK", THIS_MODULE);
	return strspn(text, "0") < strlen(text);
}

int mmlens_mmap_read_lock_killable(struct mm_struct *mm)
{
	return mmap_read_lock_killable(mm);
}

int mmlens_mutex_lock_killable(struct mutex *lock)
{
	return mutex_lock_killable(lock);
}

struct task_struct *mmlens_next_thread(struct task_struct *task)
{
	return __next_thread(task);
}

bool mmlens_page_anon_exclusive(const struct page *page)
{
	return PageAnonExclusive(page);
}

unsigned long mmlens_page_cgroup_ino(struct page *page)
{
#ifdef CONFIG_MEMCG
	return page_cgroup_ino(page);
#else
	return 0;
#endif
}

struct folio *mmlens_page_folio(struct page *page)
{
	return page_folio(page);
}

bool mmlens_page_is_usable(const struct page *page)
{
	return !PageOffline(page) && !PageHWPoison(page);
}

int mmlens_page_mapcount(const struct folio *folio, const struct page *page)
{
	/* As folio_precise_page_mapcount() of fs/proc, for a folio that is mapped. */
	return atomic_read(&page->_mapcount) + 1 +
	       (folio_test_large(folio) ? folio_entire_mapcount(folio) : 0);
}

struct page *mmlens_pfn_to_online_page(unsigned long pfn)
{
	return pfn_to_online_page(pfn);
}

const void *mmlens_phys_to_virt(__u64 address)
{
	return phys_to_virt(address);
}

void mmlens_replace_fops(struct file *file, const struct file_operations *fops)
{
	replace_fops(file, fops);
}

int mmlens_security_locked_down_kcore(void)
{
	return security_locked_down(LOCKDOWN_KCORE);
}

void mmlens_seq_file_path(struct seq_file *m, struct file *file)
{
	seq_path(m, file_user_path(file), "\n");
}

/* Counts it if it was clear. Whether it is the first one that is counted. */
bool mmlens_set_bit(unsigned int bit, __u64 *word, __u64 *count)
{
	return !test_and_set_bit(bit, (unsigned long *)word) &&
	       !atomic64_fetch_inc((atomic64_t *)count);
}

/* STACK_TOP of a process, which as a macro is that of the current one. */
unsigned long mmlens_stack_top(const struct mm_struct *mm)
{
#ifdef CONFIG_ARM64
	if (mm->task_size > SZ_4G)
		return STACK_TOP_MAX;
#else
	if (mm->task_size > SZ_4G)
		return DEFAULT_MAP_WINDOW;
#endif
#if defined(CONFIG_ARM64) && defined(CONFIG_COMPAT)
	return AARCH32_VECTORS_BASE;
#else
	return mm->task_size;
#endif
}

int mmlens_task_ppid_nr(const struct task_struct *task)
{
	return task_ppid_nr(task);
}

unsigned long mmlens_task_rlimit_stack(const struct task_struct *task)
{
	return task_rlimit(task, RLIMIT_STACK);
}

__u64 mmlens_task_tgid_ino(struct task_struct *task)
{
	struct pid *pid;
	__u64 ino;

	/* A process that was reaped has none any more. */
	rcu_read_lock();
	pid = task_tgid(task);
	ino = pid ? pid->ino : 0;
	rcu_read_unlock();
	return ino;
}

const __u64 *mmlens_user_pgd(const struct mm_struct *mm)
{
#ifdef CONFIG_MITIGATION_PAGE_TABLE_ISOLATION
	if (boot_cpu_has(X86_FEATURE_PTI))
		return (const __u64 *)kernel_to_user_pgdp(mm->pgd);
#endif
	return NULL;
}

__u64 mmlens_virt_to_phys(const void *address)
{
	return virt_to_phys((void *)address);
}

unsigned long mmlens_vma_flags(const struct vm_area_struct *vma)
{
	return READ_ONCE(vma->vm_flags);
}

bool mmlens_vma_has_userfaultfd(const struct vm_area_struct *vma)
{
#ifdef CONFIG_USERFAULTFD
	return vma->vm_userfaultfd_ctx.ctx;
#else
	return false;
#endif
}

bool mmlens_vma_is_initial_heap(const struct vm_area_struct *vma)
{
	return vma_is_initial_heap(vma);
}

bool mmlens_vma_is_initial_stack(const struct vm_area_struct *vma)
{
	return vma_is_initial_stack(vma);
}

void mmlens_vma_iter_init(struct vma_iterator *iter, struct mm_struct *mm, unsigned long addr)
{
	vma_iter_init(iter, mm, addr);
}

/* What the per-VMA lock says; false if this kernel has none. The mmap lock is held. */
bool mmlens_vma_lock(const struct vm_area_struct *vma, struct mmlens_vma_lock *lock)
{
#ifdef CONFIG_PER_VMA_LOCK
	lock->vma_seq = vma->vm_lock_seq;
	lock->mm_seq = READ_ONCE(vma->vm_mm->mm_lock_seq.sequence);
	lock->refcount = refcount_read(&vma->vm_refcnt) & ~VM_REFCNT_EXCLUDE_READERS_FLAG;
	return true;
#else
	return false;
#endif
}

struct vm_area_struct *mmlens_vma_next(struct vma_iterator *iter)
{
	return vma_next(iter);
}

/* Copies the policy of a VMA; false if it has none. The mmap lock is held, so it stays. */
bool mmlens_vma_policy(const struct vm_area_struct *vma, struct mmlens_policy *policy)
{
#ifdef CONFIG_NUMA
	if (!vma->vm_policy)
		return false;
	BUILD_BUG_ON(MAX_NUMNODES > 64 * ARRAY_SIZE(policy->nodes));
	policy->mode = vma->vm_policy->mode;
	policy->flags = vma->vm_policy->flags;
	/* The kernel leaves the nodes as they were allocated where the mode has none. */
	if (policy->mode != MPOL_LOCAL)
		bitmap_to_arr64(policy->nodes, vma->vm_policy->nodes.bits, MAX_NUMNODES);
	return true;
#else
	return false;
#endif
}

struct vm_area_struct *mmlens_vma_prev(struct mm_struct *mm, unsigned long addr)
{
	VMA_ITERATOR(vmi, mm, addr);

	return vma_prev(&vmi);
}
