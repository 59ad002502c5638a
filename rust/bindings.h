/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads. */
typedef _Bool bool;	/* as <linux/types.h> of the kernel has it */
#include "helpers.h"
#include "uapi/mmlens.h"
