/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device of mmlens as somebody would write it in C, for the benchmark only: the
 * kinds of buffers whose faults are compared, by the same algorithm and with the same
 * flags, locks and ioctls. See Documentation/bench.rst.
 */
#ifndef MMLENS_PEER_H
#define MMLENS_PEER_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pid_namespace.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "uapi/mmlens.h"

/* A flag of SETUP that mmlens does not know: count nothing, time nothing, note nothing. */
#define PEER_SETUP_BARE		0x80000000

/* How often one operation ran. */
struct peer_counters {
	atomic64_t outcome[MMLENS_OUTCOMES];
	atomic64_t pages;
	atomic64_t ns;
	atomic64_t ns_log2[MMLENS_BUCKETS];
};

/* A buffer: what an open file and its mappings share. */
struct peer {
	struct inode *inode;
	struct mutex lock;		/* of the setup and of the making of the memory */
	struct mmlens_setup setup;
	void *area;			/* vmalloc(); none of huge buffers */
	struct page **list;		/* every page */
	unsigned long pages;
	unsigned long *dirty;		/* of tracked buffers: a bit for each page */
	atomic64_t dirty_count;
	struct rw_semaphore gate;
	bool revoked;
	struct peer_counters *counters;	/* by enum mmlens_op */
	spinlock_t ring_lock;
	struct mmlens_event *slots;
	u64 room;
	u64 head;
	u64 tail;
	u64 dropped;
	struct pid_namespace *ns;
	wait_queue_head_t *changed;	/* of those who poll; nobody does */
};

/* See Buffer::is_revoked(): pairs with who would revoke; nobody does here. */
static inline bool peer_is_revoked(const struct peer *peer)
{
	/* As the Acquire of mmlens: what was done before it was revoked is seen. */
	return smp_load_acquire(&peer->revoked);
}

/* An operation in progress. */
struct peer_watch {
	struct peer *peer;
	struct mmlens_event event;
};

void peer_begin(struct peer_watch *watch, struct peer *peer, unsigned int op,
		const struct vm_fault *vmf);
void peer_end(struct peer_watch *watch, unsigned int outcome, unsigned long pages);
void peer_notify(struct peer *peer);

const struct vm_operations_struct *peer_table(const struct peer *peer);

#endif /* MMLENS_PEER_H */
