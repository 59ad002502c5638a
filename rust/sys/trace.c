// SPDX-License-Identifier: GPL-2.0
/*
 * What is noted of each operation: counters, the moment it happens in, and the
 * tracepoints, as functions. A call for each of them, because they are called for each
 * fault: what is inline in C would be a call of its own from Rust.
 */
#include <linux/atomic.h>
#include <linux/pid.h>
#include <linux/sched.h>

#include "../helpers.h"
#include "../uapi/mmlens.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* One more in two counters, and so many more in two others. Nothing is ordered by them. */
void mmlens_count(__u64 *one, __u64 *another, __u64 *sum, __u64 more, __u64 *other_sum,
		  __u64 other_more)
{
	atomic64_inc((atomic64_t *)one);
	atomic64_inc((atomic64_t *)another);
	atomic64_add(more, (atomic64_t *)sum);
	atomic64_add(other_more, (atomic64_t *)other_sum);
}

/* The numbers of the current task in a namespace; 0 if there is none. */
static __always_inline void set_numbers(struct mmlens_event *event, struct pid_namespace *ns)
{
	if (!ns)
		return;
	event->pid = task_tgid_nr_ns(current, ns);
	event->tid = task_pid_nr_ns(current, ns);
}

void mmlens_trace_fault(__u64 buffer, struct pid_namespace *ns, struct mmlens_event *event)
{
	set_numbers(event, ns);
	trace_fault(buffer, event);
}

void mmlens_trace_mkwrite(__u64 buffer, struct pid_namespace *ns, struct mmlens_event *event)
{
	set_numbers(event, ns);
	trace_mkwrite(buffer, event);
}

void mmlens_trace_vma(__u64 buffer, struct pid_namespace *ns, struct mmlens_event *event)
{
	set_numbers(event, ns);
	trace_vma(buffer, event);
}
