/* SPDX-License-Identifier: GPL-2.0 */
/* The memory that a guest of the tests shares with its host: the third region of a PCI function. */
#ifndef MMLENS_SELFTESTS_SHARED_H
#define MMLENS_SELFTESTS_SHARED_H

#include <stdbool.h>

/* The function's folder in sysfs; its name is the last part. False if there is none. */
bool shared_function(char path[128]);
/* Whether mmlens has these bytes; @size 0: whether it has none. */
bool shared_is_claimed(unsigned long start, unsigned long size);
/* How often somebody has enabled the function. */
long shared_times_enabled(const char *function);

#endif
