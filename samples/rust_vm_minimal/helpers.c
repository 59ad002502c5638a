// SPDX-License-Identifier: GPL-2.0
/* The layer's own C, compiled into this module. */
#include "../../rust/vm/helpers.c"
