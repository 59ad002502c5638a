/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads. */
#include "helpers.h"
#include "uapi/mmlens.h"
