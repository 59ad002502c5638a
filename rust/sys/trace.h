/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints of the device, for perf and ftrace: mmlens:fault, mmlens:mkwrite and
 * mmlens:vma. The numbers are those of uapi/mmlens.h.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mmlens

#if !defined(MMLENS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MMLENS_TRACE_H

#include <linux/tracepoint.h>

#define show_mmlens_op(op) __print_symbolic(op, \
	{ 0, "mmap" }, { 1, "open" }, { 2, "close" }, { 3, "may_split" }, \
	{ 4, "mremap" }, { 5, "mprotect" }, { 6, "fault" }, { 7, "huge_fault" }, \
	{ 8, "map_pages" }, { 9, "page_mkwrite" }, { 10, "pfn_mkwrite" }, { 11, "access" })

#define show_mmlens_outcome(outcome) __print_symbolic(outcome, \
	{ 0, "done" }, { 1, "killed" }, { 2, "fallback" }, { 3, "sigbus" }, \
	{ 4, "oom" }, { 5, "error" })

DECLARE_EVENT_CLASS(mmlens_operation,
	TP_PROTO(u64 buffer, const struct mmlens_event *event),
	TP_ARGS(buffer, event),
	TP_STRUCT__entry(
		__field(u64, buffer)
		__field(u64, address)
		__field(u64, pgoff)
		__field(u32, ns)
		__field(u32, pages)
		__field(u32, flags)
		__field(u16, op)
		__field(u16, outcome)
	),
	TP_fast_assign(
		__entry->buffer = buffer;
		__entry->address = event->address;
		__entry->pgoff = event->pgoff;
		__entry->ns = event->ns;
		__entry->pages = event->pages;
		__entry->flags = event->flags;
		__entry->op = event->op;
		__entry->outcome = event->outcome;
	),
	TP_printk("buffer=%llu op=%s address=0x%llx pgoff=%llu flags=0x%x outcome=%s pages=%u ns=%u",
		  __entry->buffer, show_mmlens_op(__entry->op), __entry->address,
		  __entry->pgoff, __entry->flags, show_mmlens_outcome(__entry->outcome),
		  __entry->pages, __entry->ns)
);

DEFINE_EVENT(mmlens_operation, fault,
	TP_PROTO(u64 buffer, const struct mmlens_event *event),
	TP_ARGS(buffer, event)
);

DEFINE_EVENT(mmlens_operation, mkwrite,
	TP_PROTO(u64 buffer, const struct mmlens_event *event),
	TP_ARGS(buffer, event)
);

DEFINE_EVENT(mmlens_operation, vma,
	TP_PROTO(u64 buffer, const struct mmlens_event *event),
	TP_ARGS(buffer, event)
);

#endif /* MMLENS_TRACE_H */

/* rust/Kbuild adds this folder to where headers are. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
