// SPDX-License-Identifier: GPL-2.0
/* The tracepoints, as functions, and what an event says of the moment it happens in. */
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/sched.h>

#include "helpers.h"
#include "uapi/mmlens.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

__u64 mmlens_now(void)
{
	return ktime_get_ns();
}

void mmlens_current_numbers(struct pid_namespace *ns, struct mmlens_event *event)
{
	event->pid = task_tgid_nr_ns(current, ns);
	event->tid = task_pid_nr_ns(current, ns);
}

void mmlens_trace_fault(__u64 buffer, const struct mmlens_event *event)
{
	trace_fault(buffer, event);
}

void mmlens_trace_mkwrite(__u64 buffer, const struct mmlens_event *event)
{
	trace_mkwrite(buffer, event);
}

void mmlens_trace_vma(__u64 buffer, const struct mmlens_event *event)
{
	trace_vma(buffer, event);
}
