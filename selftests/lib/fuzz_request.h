/* SPDX-License-Identifier: GPL-2.0 */
/* One ioctl that is made up: what is asked, how that may end, and what an answer must be. */
#ifndef MMLENS_SELFTESTS_FUZZ_REQUEST_H
#define MMLENS_SELFTESTS_FUZZ_REQUEST_H

#include "fuzz_call.h"

/* The most that the number of an ioctl can say. */
#define LARGEST_REQUEST ((1U << 14) - 1)

struct request {
	unsigned long command;
	unsigned int nr, size;
	bool is_ours;
	unsigned char bytes[LARGEST_REQUEST + 8] __attribute__((aligned(8)));
	uint64_t at;			/* where the bytes are for the call */
	uint64_t out, out_bytes;	/* where records or a bitmap may go; or 0 */
};

typedef unsigned char *(*place_fn)(struct desk *desk, size_t size, size_t align);

void request_make(struct request *request, struct desk *desk, place_fn place);
const char *request_name(const struct request *request);
/* Its first members, in words that are there until the next call. */
const char *request_text(const struct request *request);
/* How much of it the kernel knows. */
size_t request_known(const struct request *request);
bool request_is_text(const struct request *request);
/*
 * Whether the call may end so: a negative errno or what it returned. @is_known: the bytes
 * were where the kernel can read and write them.
 */
bool request_may_end(const struct request *request, int ret, bool is_known);
/* After such an end nothing at all has been written. */
bool request_leaves_all(int ret);
/* A call that went well. @has_out: the records are in the room as a whole. */
void request_check(const struct request *request, struct desk *desk, int ret, bool has_out);

#endif
