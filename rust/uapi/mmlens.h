/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ioctl interface of /dev/mmlens, see Documentation/uapi.rst.
 *
 * Each struct begins with its own size, which the caller sets to
 * sizeof(struct ...). A later version of mmlens may append members:
 *  - a struct smaller than the kernel's is filled as far as it goes (but not
 *    smaller than the first version: EINVAL);
 *  - a larger one is accepted if what the kernel does not know is zero (else
 *    E2BIG), and what it does not know is left zero.
 */
#ifndef MMLENS_UAPI_H
#define MMLENS_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MMLENS_IOC_MAGIC	0xE6

/* How a buffer's memory is made. */
enum mmlens_backing {
	MMLENS_BACKING_NONE = 0,	/* INFO: no memory yet; SETUP: the default */
	MMLENS_BACKING_VMALLOC = 1,	/* vmalloc() */
	MMLENS_BACKING_VMAP = 2,	/* single pages, which vmap() makes one range */
	MMLENS_BACKING_CONTIG = 3,	/* physically contiguous: as far as one block goes, and a
					 * block is that of a huge page at most; with
					 * MMLENS_STRATEGY_HUGE each block is a compound page
					 */
	MMLENS_BACKING_SPARSE = 4,	/* single pages, allocated when they are first used */
	MMLENS_BACKING_IOREMAP = 5,	/* device memory that the module parameters name */
};

/* What puts pages into the page table, and when. */
enum mmlens_strategy {
	MMLENS_STRATEGY_LAZY = 0,	/* fault: one page at a time */
	MMLENS_STRATEGY_AROUND = 1,	/* fault, map_pages: the neighbours of a page too */
	MMLENS_STRATEGY_EAGER = 2,	/* mmap inserts page by page */
	MMLENS_STRATEGY_REMAP = 3,	/* mmap calls remap_vmalloc_range(), remap_pfn_range() */
	MMLENS_STRATEGY_HUGE = 4,	/* huge_fault: a whole pmd (or pud) at a time */
};

/* What the core takes a page for. */
enum mmlens_page_kind {
	MMLENS_PAGE_KIND_NORMAL = 0,	/* counted, with a struct page */
	MMLENS_PAGE_KIND_PFNMAP = 1,	/* VM_PFNMAP: a frame number, nothing behind it */
	MMLENS_PAGE_KIND_MIXED = 2,	/* VM_MIXEDMAP, inserted as a frame number */
};

/* How processors may cache it, in the kernel's mapping and in those of processes. */
enum mmlens_cache {
	MMLENS_CACHE_WB = 0,
	MMLENS_CACHE_WC = 1,
	MMLENS_CACHE_UC = 2,
};

/* What the kernel's own mapping of a buffer is. */
enum mmlens_area {
	MMLENS_AREA_NONE = 0,		/* there is none but the linear map */
	MMLENS_AREA_ALLOC = 1,		/* VM_ALLOC */
	MMLENS_AREA_MAP = 2,		/* VM_MAP */
	MMLENS_AREA_IOREMAP = 3,	/* VM_IOREMAP */
};

#define MMLENS_SETUP_TRACK	0x01	/* record which pages are written */
#define MMLENS_SETUP_NOSPLIT	0x02	/* may_split refuses: EINVAL */

/* MMLENS_IOC_INFO: what the open file is. */
struct mmlens_info {
	__u32 size;			/* in: sizeof(struct mmlens_info) */
	__u32 backing;			/* out: enum mmlens_backing */
	__u64 bytes;			/* out: size of the buffer, 0 as long as it has no memory */
	__u64 mappings;			/* out: VMAs that map it now */
	__u64 max_bytes;		/* out: the largest buffer this module makes */
	__u32 page_size;		/* out: bytes of a page */
	__u32 reserved;			/* must be 0 */
	__u32 strategy;			/* out: enum mmlens_strategy */
	__u32 page_kind;		/* out: enum mmlens_page_kind */
	__u32 cache;			/* out: enum mmlens_cache */
	__u32 flags;			/* out: MMLENS_SETUP_... */
	__u32 around;			/* out: pages, of MMLENS_STRATEGY_AROUND */
	__u32 revoked;			/* out: 1 between REVOKE and RESTORE */
	__u32 area;			/* out: enum mmlens_area */
	__u32 area_cache;		/* out: enum mmlens_cache of it, or of the linear map */
	__u64 area_address;		/* out: kernel's; 0 without CAP_SYS_ADMIN */
	__u64 phys;			/* out: of device memory; 0 without CAP_SYS_ADMIN */
	__u64 allocated_pages;		/* out: differs from bytes where they come when used */
	__u64 dirty_pages;		/* out: written and not yet harvested */
	__u64 id;			/* out: the number of the buffer in debugfs */
};

/*
 * MMLENS_IOC_SETUP: what the buffer is to be. Once for each open file, before it
 * has memory (else EBUSY). What cannot be had together is EOPNOTSUPP.
 */
struct mmlens_setup {
	__u32 size;			/* in: sizeof(struct mmlens_setup) */
	__u32 backing;			/* in: enum mmlens_backing */
	__u32 strategy;			/* in: enum mmlens_strategy */
	__u32 page_kind;		/* in: enum mmlens_page_kind */
	__u32 cache;			/* in: enum mmlens_cache */
	__u32 flags;			/* in: MMLENS_SETUP_... */
	__u32 around;			/* in: pages, a power of two; 0: 16 */
	__u32 region;			/* in: which device memory: 0 is io=, 1 is pci= */
	__u64 bytes;			/* in: size of the buffer, made now; 0: by the first mmap */
	__u32 events;			/* in: room for so many events; 0: 256 */
	__u32 reserved;			/* must be 0 */
};

/* What is counted. */
enum mmlens_op {
	MMLENS_OP_MMAP = 0,		/* the file's mmap */
	MMLENS_OP_OPEN = 1,		/* VMAs copied by fork, split or mremap */
	MMLENS_OP_CLOSE = 2,
	MMLENS_OP_MAY_SPLIT = 3,
	MMLENS_OP_MREMAP = 4,
	MMLENS_OP_MPROTECT = 5,
	MMLENS_OP_FAULT = 6,
	MMLENS_OP_HUGE_FAULT = 7,
	MMLENS_OP_MAP_PAGES = 8,
	MMLENS_OP_PAGE_MKWRITE = 9,
	MMLENS_OP_PFN_MKWRITE = 10,
	MMLENS_OP_ACCESS = 11,
	MMLENS_OP_READ = 12,		/* the file's read and write */
	MMLENS_OP_WRITE = 13,
	MMLENS_OP_COUNT			/* how many this version has */
};

/* How an operation ended. */
enum mmlens_outcome {
	MMLENS_OUTCOME_DONE = 0,
	MMLENS_OUTCOME_RETRY = 1,	/* nothing was done: it will be tried again */
	MMLENS_OUTCOME_FALLBACK = 2,	/* nothing was done: a smaller way will be tried */
	MMLENS_OUTCOME_SIGBUS = 3,	/* refused: past the end, or revoked */
	MMLENS_OUTCOME_OOM = 4,		/* no memory */
	MMLENS_OUTCOME_ERROR = 5,	/* refused, with another error */
};

#define MMLENS_OUTCOMES		8	/* room for later ones */
#define MMLENS_BUCKETS		32

/* MMLENS_IOC_STATS: how often one operation ran for the open file, and how long. */
struct mmlens_stats {
	__u32 size;			/* in: sizeof(struct mmlens_stats) */
	__u32 op;			/* in: enum mmlens_op */
	__u64 outcome[MMLENS_OUTCOMES];	/* out: by enum mmlens_outcome */
	__u64 pages;			/* out: pages that these put into page tables, or wrote */
	__u64 ns;			/* out: time in the operation, of all of them */
	__u64 ns_log2[MMLENS_BUCKETS];	/* out: [n]: took 2^n to 2^(n+1)-1 ns; [0]: less too;
					 * the last: more too
					 */
};

/* One operation on a VMA of the buffer. */
struct mmlens_event {
	__u64 time;			/* ns since boot, CLOCK_MONOTONIC, at its start */
	__u64 address;			/* in the process; for operations on VMAs its start */
	__u64 pgoff;			/* in the buffer, in pages */
	__u32 ns;			/* how long it took; ~0 is that or more */
	__u32 pages;			/* pages that it put into the page table */
	__s32 pid;			/* of the task that ran it, in the pid namespace of the */
	__s32 tid;			/* opener; 0 if it is not visible there */
	__u16 op;			/* enum mmlens_op */
	__u16 outcome;			/* enum mmlens_outcome */
	__u32 flags;			/* MMLENS_EVENT_... */
};

#define MMLENS_EVENT_WRITE	0x01	/* a write access */
#define MMLENS_EVENT_REMOTE	0x02	/* of another process' memory: GUP, /proc/PID/mem */
#define MMLENS_EVENT_USER	0x04	/* from user mode */
#define MMLENS_EVENT_VMA_LOCK	0x08	/* under the VMA's own lock, not the mmap lock */
#define MMLENS_EVENT_INSN	0x10	/* an instruction fetch */
#define MMLENS_EVENT_PUD	0x20	/* huge_fault: of a pud; else of a pmd */

/*
 * MMLENS_IOC_EVENTS: takes the oldest events. An event is given once. If there is
 * no room the oldest is dropped, and counted.
 */
struct mmlens_events {
	__u32 size;			/* in: sizeof(struct mmlens_events) */
	__u32 count;			/* in: room at records; out: how many were put there */
	__u64 records;			/* in: address of struct mmlens_event[count] */
	__u64 dropped;			/* out: lost since the last EVENTS, all before the first */
	__u32 left;			/* out: that are still there */
	__u32 record_size;		/* in: sizeof(struct mmlens_event) */
};

#define MMLENS_DIRTY_PEEK	0x01	/* do not clear, do not re-arm */

/*
 * MMLENS_IOC_DIRTY: which pages were written since they were last harvested. Clears
 * the record of each and write-protects it in all mappings, atomically for each
 * page: no write is lost, whatever else goes on. EOPNOTSUPP without
 * MMLENS_SETUP_TRACK.
 */
struct mmlens_dirty {
	__u32 size;			/* in: sizeof(struct mmlens_dirty) */
	__u32 flags;			/* in: MMLENS_DIRTY_... */
	__u64 first;			/* in: page of the buffer */
	__u64 pages;			/* in: how many; out: how many were looked at */
	__u64 bitmap;			/* in: address of __u64[(pages + 63) / 64]; bit 0 of the
					 * first word is page first; 0: only count
					 */
	__u64 dirty;			/* out: how many of them were written */
	__u64 protected;		/* out: entries of page tables that were write-protected */
};

#define MMLENS_REVOKE_COWS	0x01	/* also the copies in private mappings */

/*
 * MMLENS_IOC_REVOKE: takes the buffer away. When it returns, no process can reach its
 * pages: mappings give SIGBUS, read and write EIO. MMLENS_IOC_RESTORE gives it back;
 * flags are 0 then. Both may be called again, which does nothing more.
 */
struct mmlens_revoke {
	__u32 size;			/* in: sizeof(struct mmlens_revoke) */
	__u32 flags;			/* in: MMLENS_REVOKE_... */
};

#define MMLENS_IOC_INFO		_IOWR(MMLENS_IOC_MAGIC, 0x00, struct mmlens_info)
#define MMLENS_IOC_STATS	_IOWR(MMLENS_IOC_MAGIC, 0x01, struct mmlens_stats)
#define MMLENS_IOC_SETUP	_IOW(MMLENS_IOC_MAGIC, 0x02, struct mmlens_setup)
#define MMLENS_IOC_EVENTS	_IOWR(MMLENS_IOC_MAGIC, 0x03, struct mmlens_events)
#define MMLENS_IOC_DIRTY	_IOWR(MMLENS_IOC_MAGIC, 0x04, struct mmlens_dirty)
#define MMLENS_IOC_REVOKE	_IOW(MMLENS_IOC_MAGIC, 0x05, struct mmlens_revoke)
#define MMLENS_IOC_RESTORE	_IOW(MMLENS_IOC_MAGIC, 0x06, struct mmlens_revoke)

#endif /* MMLENS_UAPI_H */
