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
struct mmlens_info device_info(int fd);

/*
 * Opens a buffer that is what the words say, as of the module parameter setup, such as
 * "vmap,pfnmap,around=8,track"; @pages 0: its size is decided by the first mmap. A
 * descriptor, or a negative errno of SETUP.
 */
int device_make(const char *words, size_t pages);
/* What the words say, without an open file; aborts if they are wrong. */
struct mmlens_setup device_words(const char *words, size_t pages);

/* Of one operation. */
struct mmlens_stats device_op(int fd, unsigned int op);
/* How often it was done / ended in any way. */
__u64 device_done(int fd, unsigned int op);
__u64 device_calls(int fd, unsigned int op);

/* The oldest events: how many were put there, or a negative errno. */
int device_events(int fd, struct mmlens_event *events, unsigned int room, __u64 *dropped);
/* A harvest of @pages from page @first on; bitmap may be NULL. 0 or a negative errno. */
int device_dirty(int fd, size_t first, size_t pages, unsigned int flags, __u64 *bitmap,
		 __u64 *dirty);
int device_revoke(int fd, unsigned int flags);
int device_restore(int fd);

/* mmap() of whole pages of the device, at a page of it. */
void *device_map(int fd, int prot, int flags, size_t pages, size_t at);

/* The signal that reading or writing a byte there raises, 0 if none. */
int access_signal(volatile char *p, bool write);

/* Writes a pattern to each page / whether each page has it. */
void fill_pages(char *p, size_t pages, unsigned int seed);
bool pages_have(const char *p, size_t pages, unsigned int seed);
bool pages_are_zero(const char *p, size_t pages);

#endif
