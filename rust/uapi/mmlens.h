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
	MMLENS_OUTCOME_KILLED = 1,	/* nothing was done: the task is being killed */
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

/*
 * What can be said of an entry of a page table, in the same bits on each
 * architecture. One of the first five and one of the next five is always set.
 */
#define MMLENS_PT_PTE		(1ULL << 0)	/* the level of its table */
#define MMLENS_PT_PMD		(1ULL << 1)
#define MMLENS_PT_PUD		(1ULL << 2)
#define MMLENS_PT_P4D		(1ULL << 3)
#define MMLENS_PT_PGD		(1ULL << 4)
#define MMLENS_PT_HOLE		(1ULL << 5)	/* nothing is mapped, nothing remembered */
#define MMLENS_PT_PRESENT	(1ULL << 6)	/* maps a page or a huge page */
#define MMLENS_PT_NONPRESENT	(1ULL << 7)	/* the kernel keeps a note in it */
#define MMLENS_PT_TABLE		(1ULL << 8)	/* points to a table */
#define MMLENS_PT_BAD		(1ULL << 9)	/* nothing that the kernel would follow */
#define MMLENS_PT_READ		(1ULL << 10)	/* what user space may do, all levels */
#define MMLENS_PT_WRITE		(1ULL << 11)	/* considered */
#define MMLENS_PT_EXEC		(1ULL << 12)
#define MMLENS_PT_ACCESSED	(1ULL << 13)
#define MMLENS_PT_DIRTY		(1ULL << 14)
#define MMLENS_PT_SOFT_DIRTY	(1ULL << 15)	/* x86_64 */
#define MMLENS_PT_UFFD		(1ULL << 16)	/* under the protection of a userfaultfd */
#define MMLENS_PT_SPECIAL	(1ULL << 17)	/* mapped by number, without a struct page */
#define MMLENS_PT_PROTNONE	(1ULL << 18)	/* PROT_NONE, or a NUMA hint */
#define MMLENS_PT_CONT		(1ULL << 19)	/* arm64: part of a contiguous range */
#define MMLENS_PT_SHADOW_STACK	(1ULL << 20)	/* x86_64 */
#define MMLENS_PT_ENCRYPTED	(1ULL << 21)	/* x86_64 */
#define MMLENS_PT_WB		(1ULL << 24)	/* the memory type of a leaf; also Tagged */
#define MMLENS_PT_WT		(1ULL << 25)
#define MMLENS_PT_WC		(1ULL << 26)	/* arm64: normal, not cacheable */
#define MMLENS_PT_UC		(1ULL << 27)	/* x86_64: UC and UC- */
#define MMLENS_PT_DEVICE	(1ULL << 28)	/* arm64: nGnRnE to GRE */
#define MMLENS_PT_OTHER_TYPE	(1ULL << 29)
#define MMLENS_PT_SWAP		(1ULL << 32)	/* what a NONPRESENT entry is */
#define MMLENS_PT_MIGRATION	(1ULL << 33)
#define MMLENS_PT_DEVICE_PAGE	(1ULL << 34)	/* private or exclusive to a device */
#define MMLENS_PT_HWPOISON	(1ULL << 35)
#define MMLENS_PT_MARKER	(1ULL << 36)
#define MMLENS_PT_GUARD		(1ULL << 37)	/* a MARKER of MADV_GUARD_INSTALL */
#define MMLENS_PT_POISONED	(1ULL << 38)	/* a MARKER of UFFDIO_POISON */
#define MMLENS_PT_PAGE_DEVICE	(1ULL << 40)	/* with MMLENS_WALK_PAGES: the page of a leaf; */
#define MMLENS_PT_PAGE_ZERO	(1ULL << 41)	/* none of these if it changed meanwhile */
#define MMLENS_PT_PAGE_ANON	(1ULL << 42)
#define MMLENS_PT_PAGE_KSM	(1ULL << 43)
#define MMLENS_PT_PAGE_FILE	(1ULL << 44)
#define MMLENS_PT_PAGE_SHMEM	(1ULL << 45)
#define MMLENS_PT_PAGE_HUGETLB	(1ULL << 46)
#define MMLENS_PT_PAGE_KERNEL	(1ULL << 47)
#define MMLENS_PT_PAGE_RAM	(1ULL << 48)	/* mapped by number, though it is memory */
#define MMLENS_PT_IN_ORDER	(1ULL << 56)	/* a run whose places follow one another */

#define MMLENS_LEVELS		5		/* pte, pmd, pud, p4d, pgd */

/* What MMLENS_IOC_WALK puts into the buffer. */
enum mmlens_form {
	MMLENS_FORM_ENTRIES = 0,	/* struct mmlens_entry */
	MMLENS_FORM_RUNS = 1,		/* struct mmlens_run: neighbours that differ in their
					 * place only
					 */
	MMLENS_FORM_TABLES = 2,		/* struct mmlens_table: whole tables of one level */
	MMLENS_FORM_VMAS = 3,		/* struct mmlens_vma */
	MMLENS_FORM_COUNTS = 4,		/* one struct mmlens_counts */
};

#define MMLENS_WALK_PAGES	0x01	/* look at the pages too: MMLENS_PT_PAGE_... */
#define MMLENS_WALK_NAMES	0x02	/* of VMAs: file or name too */

/* One entry, as it stands in the table. */
struct mmlens_entry {
	__u64 address;			/* first one that it translates, in the range */
	__u64 raw;
	__u64 flags;			/* MMLENS_PT_... */
};

/* Neighbours of one level, alike but for their places. */
struct mmlens_run {
	__u64 start;
	__u64 end;			/* exclusive */
	__u64 raw;			/* the first entry */
	__u64 place;			/* page frame of the first entry, or its slot in a
					 * swap area; ~0 if it has none
					 */
	__u64 flags;			/* MMLENS_PT_... */
};

/* A table, as it stands in memory. Followed by its entries: __u64 raw[entries]. */
struct mmlens_table {
	__u64 start;			/* first address that it translates */
	__u64 at;			/* its physical address */
	__u32 level;			/* 0 is pte */
	__u32 entries;
};

#define MMLENS_VMA_ANON		0x01	/* vma_is_anonymous() */
#define MMLENS_VMA_HEAP		0x02	/* as /proc/PID/maps marks them */
#define MMLENS_VMA_STACK	0x04
#define MMLENS_VMA_FILE		0x08
#define MMLENS_VMA_ANON_VMA	0x10	/* anonymous pages were mapped in it */

/*
 * A VMA. With MMLENS_WALK_NAMES followed by its name as /proc/PID/maps has it: name_bytes
 * bytes without a NUL, and then up to the next multiple of 8.
 */
struct mmlens_vma {
	__u32 record_size;		/* from this record to the next */
	__u32 name_bytes;
	__u64 start;
	__u64 end;			/* exclusive */
	__u64 vm_flags;			/* the kernel's numbers: include/linux/mm.h */
	__u64 pgoff;			/* of the start in the file, in pages */
	__u64 page_prot;		/* vm_page_prot */
	__u64 ino;			/* of the file, 0 without */
	__u32 dev_major;
	__u32 dev_minor;
	__u32 facts;			/* MMLENS_VMA_... */
	__u32 reserved;
};

/* What there is of a range, of all entries that pass the filter. */
struct mmlens_counts {
	__u64 entries[MMLENS_LEVELS];	/* by level, 0 is pte */
	__u64 bytes;			/* that they translate */
	__u64 bytes_with[64];		/* [n]: of those with flag 1 << n */
};

/*
 * MMLENS_IOC_WALK: what a part of an address space is, as records. Goes on as far as
 * the buffer and the time of one call allow; call again with start as it was left
 * until it is end. Nothing is locked between two tables for longer than somebody
 * waits. The rights are those of debugfs: EPERM.
 */
struct mmlens_walk {
	__u32 size;			/* in: sizeof(struct mmlens_walk) */
	__u32 form;			/* in: enum mmlens_form */
	__u32 flags;			/* in: MMLENS_WALK_... */
	__s32 pid;			/* in: in the caller's pid namespace; 0: the caller */
	__u64 start;			/* in: first address; out: where to go on */
	__u64 end;			/* in: exclusive, 0: all the rest; out: the end of that */
	__u64 buffer;			/* in: address of the records, a multiple of 8 */
	__u64 bytes;			/* in: room there; out: how many were put there */
	__u64 records;			/* out: how many these are */
	__u64 required;			/* in: flags that an entry must have, all of them */
	__u64 any;			/* in: and at least one of these, if there are any */
	__u64 excluded;			/* in: and none of these */
	__u64 raw_mask;			/* in: and (raw & raw_mask) == raw_value */
	__u64 raw_value;
	__u64 phys_start;		/* in: and memory in here; 0, 0: anywhere */
	__u64 phys_end;			/* in: exclusive */
	__u64 vma_required;		/* in: vm_flags that the VMA must have, all of them */
	__u64 vma_excluded;		/* in: and none of these */
	__u64 space;			/* in: 0, or what an earlier call returned: ESTALE if the
					 * process has another address space since (exec); out
					 */
};

/* What MMLENS_IOC_QUERY finds. */
enum mmlens_what {
	MMLENS_QUERY_FIND_VMA = 0,	/* the VMA with address, or else the next one above */
	MMLENS_QUERY_FIND_VMA_PREV = 1,	/* that, and the one below address */
	MMLENS_QUERY_INTERSECTION = 2,	/* the first VMA in address to address + length */
	MMLENS_QUERY_GAP = 3,		/* room for length bytes */
	MMLENS_QUERY_TRANSLATE = 4,	/* the entry of each level, and the physical address */
};

/* The entry of a level on the way to an address. */
struct mmlens_step {
	__u64 raw;
	__u64 at;			/* physical address of the entry */
	__u64 flags;			/* MMLENS_PT_..., those of pages too; 0: the way does not
					 * pass this level
					 */
};

/*
 * MMLENS_IOC_QUERY: one question about an address space; ENOENT if there is nothing
 * such. What does not belong to the question must be 0. Rights as above.
 */
struct mmlens_query {
	__u32 size;			/* in: sizeof(struct mmlens_query) */
	__u32 what;			/* in: enum mmlens_what */
	__s32 pid;			/* in: as for WALK */
	__u32 reserved;			/* must be 0 */
	__u64 address;			/* in: but for GAP */
	__u64 length;			/* in: bytes, of INTERSECTION and GAP */
	__u64 space;			/* in, out: as for WALK */
	struct mmlens_vma vma;		/* out: FIND_VMA..., INTERSECTION, TRANSLATE */
	struct mmlens_vma prev;		/* out: FIND_VMA_PREV: either may have start == end: none */
	__u64 lowest;			/* out: GAP: first address of the lowest room */
	__u64 lowest_end;
	__u64 highest;
	__u64 highest_end;
	__u64 chosen;			/* out: where mmap() would put it; ~0: it cannot be told */
	__u64 physical;			/* out: TRANSLATE; ~0: not mapped */
	struct mmlens_step step[MMLENS_LEVELS];	/* out: TRANSLATE: by level, 0 is pte */
};

/* What MMLENS_IOC_TEXT opens: the files of debugfs. */
enum mmlens_text_what {
	MMLENS_TEXT_MM = 0,
	MMLENS_TEXT_VMAS = 1,
	MMLENS_TEXT_SUMMARY = 2,
	MMLENS_TEXT_LAYOUT = 3,
	MMLENS_TEXT_PAGETABLE = 4,
	MMLENS_TEXT_ENTRIES = 5,
	MMLENS_TEXT_USER_PGD = 6,
	MMLENS_TEXT_QUERY = 7,		/* to write a question to and read the answer from */
	MMLENS_TEXT_KERNEL_LAYOUT = 8,	/* these are of no process: pid is 0 */
	MMLENS_TEXT_KERNEL_REGISTERS = 9,
	MMLENS_TEXT_KERNEL_OWN = 10,
	MMLENS_TEXT_KERNEL_PAGETABLE = 11,
	MMLENS_TEXT_BUFFERS = 12,
};

/*
 * MMLENS_IOC_TEXT: returns a new descriptor (O_CLOEXEC) that reads as the file of that
 * name in debugfs does, whether there is a debugfs or not. Rights as above.
 */
struct mmlens_text {
	__u32 size;			/* in: sizeof(struct mmlens_text) */
	__u32 what;			/* in: enum mmlens_text_what */
	__s32 pid;			/* in: as for WALK */
	__u32 reserved;			/* must be 0 */
};

/*
 * MMLENS_IOC_ATTACH, MMLENS_IOC_DETACH: make and remove the folder of a process in
 * debugfs, as the files attach and detach do, which cannot be opened if the kernel is
 * locked down. Rights as above.
 */
struct mmlens_attach {
	__u32 size;			/* in: sizeof(struct mmlens_attach) */
	__s32 pid;			/* in: in the caller's pid namespace */
};

enum mmlens_arch {
	MMLENS_ARCH_X86_64 = 1,
	MMLENS_ARCH_ARM64 = 2,
};

/* What the type of a non-present entry means. */
enum mmlens_soft {
	MMLENS_SOFT_UNKNOWN,
	MMLENS_SOFT_SWAP,
	MMLENS_SOFT_MIGRATION_READ,
	MMLENS_SOFT_MIGRATION_READ_EXCLUSIVE,
	MMLENS_SOFT_MIGRATION_WRITE,
	MMLENS_SOFT_DEVICE_READ,
	MMLENS_SOFT_DEVICE_WRITE,
	MMLENS_SOFT_DEVICE_EXCLUSIVE,
	MMLENS_SOFT_HWPOISON,
	MMLENS_SOFT_MARKER,
};

/* MMLENS_IOC_MACHINE: all that one needs to read the records on another machine. */
struct mmlens_machine {
	__u32 size;			/* in: sizeof(struct mmlens_machine) */
	__u32 arch;			/* out: enum mmlens_arch */
	__u8 shift[8];			/* out: by level: address bits below an entry */
	__u8 folded;			/* out: bit n: level n has no table of its own */
	__u8 address_high_shift;	/* out: how much further up address_high belongs */
	__u8 soft_pfn_bits;		/* out: low bits of an offset that are a page frame */
	__u8 has_pti;			/* out: user space has a top table of its own */
	__u8 has_shadow_stack;		/* out: x86_64: for user space */
	__u8 reserved[3];		/* must be 0 */
	__u8 soft[32];			/* out: by type: enum mmlens_soft */
	__u64 attributes;		/* out: the PAT MSR, MAIR_EL1 */
	__u64 address_low;		/* out: entry bits that are the address */
	__u64 address_high;		/* out: bits that belong further up */
	__u64 encryption;		/* out: the memory encryption bit, or 0 */
};

#define MMLENS_IOC_INFO		_IOWR(MMLENS_IOC_MAGIC, 0x00, struct mmlens_info)
#define MMLENS_IOC_STATS	_IOWR(MMLENS_IOC_MAGIC, 0x01, struct mmlens_stats)
#define MMLENS_IOC_SETUP	_IOW(MMLENS_IOC_MAGIC, 0x02, struct mmlens_setup)
#define MMLENS_IOC_EVENTS	_IOWR(MMLENS_IOC_MAGIC, 0x03, struct mmlens_events)
#define MMLENS_IOC_DIRTY	_IOWR(MMLENS_IOC_MAGIC, 0x04, struct mmlens_dirty)
#define MMLENS_IOC_REVOKE	_IOW(MMLENS_IOC_MAGIC, 0x05, struct mmlens_revoke)
#define MMLENS_IOC_RESTORE	_IOW(MMLENS_IOC_MAGIC, 0x06, struct mmlens_revoke)
#define MMLENS_IOC_WALK		_IOWR(MMLENS_IOC_MAGIC, 0x07, struct mmlens_walk)
#define MMLENS_IOC_QUERY	_IOWR(MMLENS_IOC_MAGIC, 0x08, struct mmlens_query)
#define MMLENS_IOC_TEXT		_IOW(MMLENS_IOC_MAGIC, 0x09, struct mmlens_text)
#define MMLENS_IOC_ATTACH	_IOW(MMLENS_IOC_MAGIC, 0x0a, struct mmlens_attach)
#define MMLENS_IOC_DETACH	_IOW(MMLENS_IOC_MAGIC, 0x0b, struct mmlens_attach)
#define MMLENS_IOC_MACHINE	_IOWR(MMLENS_IOC_MAGIC, 0x0c, struct mmlens_machine)

#endif /* MMLENS_UAPI_H */
