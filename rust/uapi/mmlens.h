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
	MMLENS_BACKING_NONE = 0,	/* no memory yet: nothing was mapped */
	MMLENS_BACKING_VMALLOC = 1,
};

/* MMLENS_IOC_INFO: what the open file is. */
struct mmlens_info {
	__u32 size;			/* in: sizeof(struct mmlens_info) */
	__u32 backing;			/* out: enum mmlens_backing */
	__u64 bytes;			/* out: size of the buffer, 0 before the first mmap */
	__u64 mappings;			/* out: VMAs that map it now */
	__u64 max_bytes;		/* out: the largest buffer this module makes */
	__u32 page_size;		/* out: bytes of a page */
	__u32 reserved;			/* must be 0 */
};

/* MMLENS_IOC_STATS: how often each operation ran for the open file. */
struct mmlens_stats {
	__u32 size;			/* in: sizeof(struct mmlens_stats) */
	__u32 reserved;			/* must be 0 */
	__u64 mmap;			/* out: mappings made by mmap() */
	__u64 open;			/* out: VMAs copied by fork, split or mremap */
	__u64 close;			/* out: VMAs gone */
	__u64 fault;			/* out: pages given to the fault handler */
	__u64 fault_refused;		/* out: faults past the end of the buffer */
	__u64 page_mkwrite;		/* out: pages made writable */
};

#define MMLENS_IOC_INFO		_IOWR(MMLENS_IOC_MAGIC, 0x00, struct mmlens_info)
#define MMLENS_IOC_STATS	_IOWR(MMLENS_IOC_MAGIC, 0x01, struct mmlens_stats)

#endif /* MMLENS_UAPI_H */
