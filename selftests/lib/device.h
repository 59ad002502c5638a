/* SPDX-License-Identifier: GPL-2.0 */
/* /dev/mmlens: open files, counters, and accesses that may fail. */
#ifndef MMLENS_SELFTESTS_DEVICE_H
#define MMLENS_SELFTESTS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#include "mmlens.h"
#include "proc.h"

#define DEVICE "/dev/mmlens"

int device_open(int flags);
struct mmlens_stats device_stats(int fd);
struct mmlens_info device_info(int fd);

/* mmap() of whole pages of the device, at a page of it. */
void *device_map(int fd, int prot, int flags, size_t pages, size_t at);

/* The signal that reading or writing a byte there raises, 0 if none. */
int access_signal(volatile char *p, bool write);

/* Writes a pattern to each page / whether each page has it. */
void fill_pages(char *p, size_t pages, unsigned int seed);
bool pages_have(const char *p, size_t pages, unsigned int seed);
bool pages_are_zero(const char *p, size_t pages);

#endif
