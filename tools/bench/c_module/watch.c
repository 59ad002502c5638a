// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/device/watch.rs, stats.rs and events.rs do: an operation is counted, timed,
 * noted in the ring and traced when it ends.
 */
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

#include "peer.h"

/* Nobody listens, as nobody does to those of mmlens while it is measured. */
DECLARE_TRACE(mmlens_peer, TP_PROTO(u64 buffer, const struct mmlens_event *event),
	      TP_ARGS(buffer, event));
DEFINE_TRACE(mmlens_peer_tp, TP_PROTO(u64 buffer, const struct mmlens_event *event),
	     TP_ARGS(buffer, event));

static u32 event_flags(unsigned int flags)
{
	u32 found = 0;

	if (flags & FAULT_FLAG_WRITE)
		found |= MMLENS_EVENT_WRITE;
	if (flags & FAULT_FLAG_REMOTE)
		found |= MMLENS_EVENT_REMOTE;
	if (flags & FAULT_FLAG_USER)
		found |= MMLENS_EVENT_USER;
	if (flags & FAULT_FLAG_VMA_LOCK)
		found |= MMLENS_EVENT_VMA_LOCK;
	if (flags & FAULT_FLAG_INSTRUCTION)
		found |= MMLENS_EVENT_INSN;
	return found;
}

void peer_begin(struct peer_watch *watch, struct peer *peer, unsigned int op,
		const struct vm_fault *vmf)
{
	watch->peer = peer;
	watch->event = (struct mmlens_event){
		.time = ktime_get_ns(),
		.address = vmf->address,
		.pgoff = vmf->pgoff,
		.op = op,
		.flags = event_flags(vmf->flags),
	};
}

static void count(struct peer_counters *counters, unsigned int outcome, unsigned long pages,
		  u64 ns)
{
	unsigned int bucket = ns ? min(ilog2(ns), MMLENS_BUCKETS - 1) : 0;

	atomic64_inc(&counters->outcome[outcome]);
	atomic64_add(pages, &counters->pages);
	atomic64_add(ns, &counters->ns);
	atomic64_inc(&counters->ns_log2[bucket]);
}

/* Says whether there was no event before. */
static bool note(struct peer *peer, const struct mmlens_event *event)
{
	bool was_empty = false;

	spin_lock(&peer->ring_lock);
	if (peer->room) {
		was_empty = peer->head == peer->tail;
		peer->slots[peer->tail % peer->room] = *event;
		peer->tail++;
		if (peer->tail - peer->head > peer->room) {
			peer->dropped += peer->tail - peer->room - peer->head;
			peer->head = peer->tail - peer->room;
		}
	}
	spin_unlock(&peer->ring_lock);
	return was_empty;
}

void peer_notify(struct peer *peer)
{
	wait_queue_head_t *changed;

	/* See Buffer::notify(). */
	smp_mb();
	changed = READ_ONCE(peer->changed);
	if (changed)
		wake_up_all(changed);
}

void peer_end(struct peer_watch *watch, unsigned int outcome, unsigned long pages)
{
	struct peer *peer = watch->peer;
	u64 ns = ktime_get_ns() - watch->event.time;

	count(&peer->counters[watch->event.op], outcome, pages, ns);
	watch->event.outcome = outcome;
	watch->event.ns = min_t(u64, ns, U32_MAX);
	watch->event.pages = min_t(u64, pages, U32_MAX);
	if (peer->ns) {
		watch->event.pid = task_tgid_nr_ns(current, peer->ns);
		watch->event.tid = task_pid_nr_ns(current, peer->ns);
	}
	trace_mmlens_peer_tp(1, &watch->event);
	if (note(peer, &watch->event))
		peer_notify(peer);
}
