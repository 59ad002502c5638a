/* SPDX-License-Identifier: GPL-2.0 */
/* Memory of one kind: is it, for the kernel and for our dump, what kinds.h says? */
#ifndef MMLENS_SELFTESTS_COMPARE_KIND_H
#define MMLENS_SELFTESTS_COMPARE_KIND_H

#include "compare.h"
#include "kinds.h"

/* These return 0, or 1 and compare_message. The process has stopped. */
int compare_kind_kernel(pid_t pid, const struct kind *kind, const struct memory *m);
int compare_kind_entries(pid_t pid, const struct kind *kind, const struct memory *m);
/* Of a kind without entries: the line of pagetable. */
int compare_kind_hole(pid_t pid, const struct kind *kind, const struct memory *m);

/* The sums that smaps has of each VMA, against entries. 0, 1, or a negative errno. */
int compare_smaps(pid_t pid);

#endif
