/* SPDX-License-Identifier: GPL-2.0 */
/* Random ioctls of the device, by the structs of mmlens.h, and what may come of them. */
#ifndef MMLENS_SELFTESTS_FUZZ_CALL_H
#define MMLENS_SELFTESTS_FUZZ_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fuzz.h"
#include "mmlens.h"

/* What does not change while programs run, to see that it is told as before. */
struct reference {
	pid_t target, dead;		/* one that is stopped, one that is gone */
	uint64_t start, end;		/* a part of the first */
	uint64_t hash;			/* of what WALK tells of that part */
	struct mmlens_machine machine;
};

/* What one thread works with: memory of each kind for pointers to point to. */
struct desk {
	struct fuzz *f;
	const struct reference *reference;
	int fd;
	bool alone;			/* nobody else does anything to the descriptor */
	unsigned char *room, *copy;	/* what is written to, and what it was before */
	unsigned char *edge;		/* a page, with nothing behind it */
	unsigned char *read_only, *none, *device;
	uint64_t space;
};

void reference_make(struct reference *reference);
void reference_end(struct reference *reference);
/* Whether what is known is still told. */
void reference_check(struct desk *desk);

void desk_make(struct desk *desk, struct fuzz *f, const struct reference *reference, int fd);
/* One random call, with whatever can be said of it checked; fuzz_good() of its number. */
void desk_call(struct desk *desk);
/* Each kind of call has to go well. */
void desk_goals(const char *goals[FUZZ_GOALS]);

/* Detaches all that is attached; whether something is left. */
bool detach_all(void);

#endif
