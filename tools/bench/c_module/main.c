// SPDX-License-Identifier: GPL-2.0
/*
 * The file /dev/mmlens-peer: SETUP, STATS and DIRTY of rust/uapi/mmlens.h, and mmap.
 */
#include <linux/bitmap.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/rmap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "peer.h"

/* Pages whose words of a bitmap are gathered before they are copied. */
#define CHUNK		BIT(15)
#define GFP		(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

static struct vfsmount *mount;
static int mount_count;

static int peer_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, 0x6d6d6c70) ? 0 : -ENOMEM;
}

static struct file_system_type peer_fs = {
	.name = "mmlens_peer",
	.owner = THIS_MODULE,
	.init_fs_context = peer_init_fs_context,
	.kill_sb = kill_anon_super,
};

static void peer_free(struct peer *peer)
{
	unsigned long index;

	/* Huge pages were allocated whole, and so they are freed. */
	for (index = 0; !peer->area && peer->list && index < peer->pages; index += HPAGE_PMD_NR)
		if (peer->list[index])
			put_page(peer->list[index]);
	kvfree(peer->list);
	vfree(peer->area);
	kvfree(peer->dirty);
	kvfree(peer->slots);
	kvfree(peer->counters);
	if (peer->ns)
		put_pid_ns(peer->ns);
	if (peer->inode) {
		iput(peer->inode);
		simple_release_fs(&mount, &mount_count);
	}
	kfree(peer);
}

static int peer_open(struct inode *node, struct file *file)
{
	struct peer *peer = kzalloc_obj(*peer, GFP_KERNEL_ACCOUNT);
	struct inode *inode;
	int ret;

	if (!peer)
		return -ENOMEM;
	mutex_init(&peer->lock);
	init_rwsem(&peer->gate);
	spin_lock_init(&peer->ring_lock);
	peer->room = 256;
	peer->counters = kvcalloc(MMLENS_OP_COUNT, sizeof(*peer->counters), GFP_KERNEL_ACCOUNT);
	peer->slots = kvcalloc(peer->room, sizeof(*peer->slots), GFP_KERNEL_ACCOUNT);
	peer->ns = get_pid_ns(task_active_pid_ns(current));
	ret = -ENOMEM;
	if (!peer->counters || !peer->slots)
		goto fail;
	ret = simple_pin_fs(&peer_fs, &mount, &mount_count);
	if (ret)
		goto fail;
	inode = alloc_anon_inode(mount->mnt_sb);
	if (IS_ERR(inode)) {
		simple_release_fs(&mount, &mount_count);
		ret = PTR_ERR(inode);
		goto fail;
	}
	peer->inode = inode;
	file->f_mapping = inode->i_mapping;
	file->private_data = peer;
	return 0;
fail:
	peer_free(peer);
	return ret;
}

static int peer_release(struct inode *node, struct file *file)
{
	peer_free(file->private_data);
	return 0;
}

/* Compound pages of the size of a huge page. */
static int peer_allocate_blocks(struct peer *peer)
{
	unsigned long index, at;

	for (index = 0; index < peer->pages; index += HPAGE_PMD_NR) {
		struct page *page = alloc_pages(GFP | __GFP_COMP, PMD_ORDER);

		if (!page)
			return -ENOMEM;
		for (at = 0; at < HPAGE_PMD_NR; at++)
			peer->list[index + at] = page + at;
	}
	return 0;
}

static int peer_allocate(struct peer *peer)
{
	bool is_huge = peer->setup.strategy == MMLENS_STRATEGY_HUGE;
	unsigned long index;

	peer->pages = DIV_ROUND_UP(peer->setup.bytes, PAGE_SIZE);
	if (is_huge)
		peer->pages = round_up(peer->pages, HPAGE_PMD_NR);
	if (!peer->pages)
		return -EINVAL;
	if (peer->setup.flags & MMLENS_SETUP_TRACK) {
		size_t words = BITS_TO_LONGS(peer->pages);

		peer->dirty = kvcalloc(words, sizeof(long), GFP_KERNEL_ACCOUNT);
		if (!peer->dirty)
			return -ENOMEM;
	}
	peer->list = kvcalloc(peer->pages, sizeof(struct page *), GFP_KERNEL_ACCOUNT);
	if (!peer->list)
		return -ENOMEM;
	if (is_huge)
		return peer_allocate_blocks(peer);
	peer->area = __vmalloc(peer->pages * PAGE_SIZE, GFP);
	if (!peer->area)
		return -ENOMEM;
	for (index = 0; index < peer->pages; index++)
		peer->list[index] = vmalloc_to_page(peer->area + index * PAGE_SIZE);
	return 0;
}

static long peer_setup(struct peer *peer, struct mmlens_setup __user *arg)
{
	struct mmlens_setup setup;
	long ret = -EBUSY;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (!is_power_of_2(setup.around ?: 16))
		return -EINVAL;
	setup.around = setup.around ?: 16;
	if (setup.strategy == MMLENS_STRATEGY_HUGE && !IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		return -EOPNOTSUPP;
	mutex_lock(&peer->lock);
	if (!peer->pages) {
		peer->setup = setup;
		ret = peer_allocate(peer);
	}
	mutex_unlock(&peer->lock);
	return ret;
}

static long peer_stats(struct peer *peer, struct mmlens_stats __user *arg)
{
	struct mmlens_stats stats;
	struct peer_counters *counters;
	unsigned int index;

	if (copy_from_user(&stats, arg, sizeof(stats)))
		return -EFAULT;
	if (stats.op >= MMLENS_OP_COUNT)
		return -EINVAL;
	counters = &peer->counters[stats.op];
	for (index = 0; index < MMLENS_OUTCOMES; index++)
		stats.outcome[index] = atomic64_read(&counters->outcome[index]);
	stats.pages = atomic64_read(&counters->pages);
	stats.ns = atomic64_read(&counters->ns);
	for (index = 0; index < MMLENS_BUCKETS; index++)
		stats.ns_log2[index] = atomic64_read(&counters->ns_log2[index]);
	return copy_to_user(arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

/* Clean pages that are passed over to write-protect more at a time. */
#define GAP		5

/* Those of the bits of a word that are harvested together with the lowest one. */
static u64 near(u64 bits)
{
	unsigned int end = __ffs64(bits);

	while (end < 64 && bits >> end && __ffs64(bits >> end) <= GAP)
		end += __ffs64(bits >> end) + 1;
	return end < 64 ? bits & GENMASK_ULL(end - 1, 0) : bits;
}

/* What there is of 64 bits from one on, which begins a word or not. */
static u64 word_from(struct peer *peer, unsigned long first)
{
	unsigned int shift = first % 64;
	u64 word;

	/* As the Acquire of Bitmap::word(): with who marks it. */
	word = smp_load_acquire(&peer->dirty[first / 64]) >> shift;
	if (shift && first / 64 + 1 < BITS_TO_LONGS(peer->pages)) {
		/* As above. */
		word |= smp_load_acquire(&peer->dirty[first / 64 + 1]) << (64 - shift);
	}
	return word;
}

/* Clears bits, and returns those that were set. */
static u64 clear_bits(struct peer *peer, unsigned long first, u64 bits)
{
	atomic64_t *word = (atomic64_t *)&peer->dirty[first / 64];
	unsigned int shift = first % 64;
	u64 low = bits << shift, found = 0;

	if (low)
		found = (low & atomic64_fetch_andnot_relaxed(low, word)) >> shift;
	if (shift && bits >> (64 - shift)) {
		bits >>= 64 - shift;
		word++;
		found |= (bits & atomic64_fetch_andnot_relaxed(bits, word)) << (64 - shift);
	}
	return found;
}

/*
 * Clears the record of a page, and of those of the wanted ones behind it that can be had
 * along with it, and write-protects them. Returns those it has looked at; 0: killed.
 */
static u64 harvest_run(struct peer *peer, unsigned long first, u64 wanted, u64 *dirty,
		       u64 *protected)
{
	struct page **pages = &peer->list[first];
	unsigned long pfn = page_to_pfn(pages[0]);
	u64 locked = 1, left;

	if (folio_lock_killable(page_folio(pages[0])))
		return 0;
	for (left = wanted & ~1ULL; left; left &= left - 1) {
		unsigned int at = __ffs64(left);

		if (page_to_pfn(pages[at]) != pfn + at || !folio_trylock(page_folio(pages[at])))
			break;
		locked |= BIT_ULL(at);
	}
	*dirty = clear_bits(peer, first, locked);
	if (*dirty) {
		int count = mapping_wrprotect_range(peer->inode->i_mapping, first, pfn,
						    fls64(locked));

		atomic64_sub(hweight64(*dirty), &peer->dirty_count);
		*protected += max(count, 0);
	}
	for (left = locked; left; left &= left - 1)
		folio_unlock(page_folio(pages[__ffs64(left)]));
	return locked;
}

/* What is written of at most 64 pages. */
static int harvest(struct peer *peer, unsigned long first, unsigned long pages, u64 *word,
		   u64 *protected)
{
	u64 left = word_from(peer, first) & GENMASK_ULL(pages - 1, 0);

	*word = 0;
	while (left) {
		unsigned int at = __ffs64(left);
		u64 dirty = 0;
		u64 done = harvest_run(peer, first + at, near(left) >> at, &dirty, protected);

		if (!done)
			return -EINTR;
		*word |= dirty << at;
		left &= ~(done << at);
	}
	return 0;
}

static int harvest_chunk(struct peer *peer, unsigned long first, unsigned long pages,
			 u64 __user *bitmap, struct mmlens_dirty *dirty)
{
	unsigned long count = DIV_ROUND_UP(pages, 64), index;
	u64 *words = kmalloc_array(count, sizeof(*words), GFP_KERNEL);
	int ret = words ? 0 : -ENOMEM;

	for (index = 0; !ret && index < count; index++) {
		ret = harvest(peer, first + 64 * index, min(pages - 64 * index, 64UL),
			      &words[index], &dirty->protected);
		dirty->dirty += hweight64(words[index]);
	}
	if (!ret && bitmap && copy_to_user(bitmap, words, count * sizeof(*words)))
		ret = -EFAULT;
	kfree(words);
	return ret;
}

static long peer_dirty(struct peer *peer, struct mmlens_dirty __user *arg)
{
	u64 __user *bitmap;
	struct mmlens_dirty dirty;
	unsigned long done;

	if (copy_from_user(&dirty, arg, sizeof(dirty)))
		return -EFAULT;
	if (!peer->dirty)
		return -EOPNOTSUPP;
	if (dirty.first > peer->pages || dirty.pages > peer->pages - dirty.first)
		return -EINVAL;
	bitmap = u64_to_user_ptr(dirty.bitmap);
	dirty.dirty = 0;
	dirty.protected = 0;
	for (done = 0; done < dirty.pages; done += CHUNK) {
		unsigned long pages = min(dirty.pages - done, CHUNK);
		int ret = harvest_chunk(peer, dirty.first + done, pages,
					bitmap ? bitmap + done / 64 : NULL, &dirty);

		if (ret)
			return ret;
	}
	return copy_to_user(arg, &dirty, sizeof(dirty)) ? -EFAULT : 0;
}

static long peer_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct peer *peer = file->private_data;

	switch (cmd) {
	case MMLENS_IOC_SETUP:
		return peer_setup(peer, (void __user *)arg);
	case MMLENS_IOC_STATS:
		return peer_stats(peer, (void __user *)arg);
	case MMLENS_IOC_DIRTY:
		return peer_dirty(peer, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int peer_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct peer *peer = file->private_data;
	unsigned long pages = vma_pages(vma);
	vm_flags_t flags = VM_DONTEXPAND | VM_DONTDUMP;

	if (vma->vm_pgoff >= peer->pages || pages > peer->pages - vma->vm_pgoff)
		return -EINVAL;
	if (peer->setup.strategy == MMLENS_STRATEGY_AROUND)
		flags |= VM_MIXEDMAP;
	if (peer->setup.strategy == MMLENS_STRATEGY_HUGE)
		flags |= VM_HUGEPAGE;
	vm_flags_set(vma, flags);
	if (peer->setup.flags & MMLENS_SETUP_TRACK)
		vma->vm_page_prot = vm_get_page_prot(vma->vm_flags & ~VM_SHARED);
	vma->vm_ops = peer_table(peer);
	vma->vm_private_data = peer;
	return 0;
}

static const struct file_operations peer_fops = {
	.owner = THIS_MODULE,
	.open = peer_open,
	.release = peer_release,
	.unlocked_ioctl = peer_ioctl,
	.mmap = peer_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
};

static struct miscdevice peer_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmlens-peer",
	.mode = 0600,
	.fops = &peer_fops,
};

module_misc_device(peer_device);

MODULE_DESCRIPTION("The device of mmlens in C, to measure it against");
MODULE_LICENSE("GPL");
