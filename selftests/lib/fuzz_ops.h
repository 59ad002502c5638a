/* SPDX-License-Identifier: GPL-2.0 */
/* What programs of fuzz_device are made of: one random thing done to a buffer or its mappings. */
#ifndef MMLENS_SELFTESTS_FUZZ_OPS_H
#define MMLENS_SELFTESTS_FUZZ_OPS_H

#include "shadow.h"

typedef void (*fuzz_op)(struct shadow *s);

/* By instructions and by the file. */
void op_load(struct shadow *s);
void op_store(struct shadow *s);
void op_pread(struct shadow *s);
void op_pwrite(struct shadow *s);
void op_splice(struct shadow *s);
/* Mappings. */
void op_map(struct shadow *s);
void op_unmap(struct shadow *s);
void op_protect(struct shadow *s);
void op_advise(struct shadow *s);
void op_lock(struct shadow *s);
void op_move(struct shadow *s);
void op_resize(struct shadow *s);
void op_remap(struct shadow *s);
void op_sync(struct shadow *s);
void op_uffd(struct shadow *s);
/* From outside. */
void op_mem(struct shadow *s);
void op_vm(struct shadow *s);
void op_fork(struct shadow *s);
void op_trace(struct shadow *s);
/* The ioctls. */
void op_info(struct shadow *s);
void op_harvest(struct shadow *s);
void op_revoke(struct shadow *s);
void op_events(struct shadow *s);
void op_look(struct shadow *s);

/* Any place; one that maps something, if there is any: false if not. */
bool any_place_of(struct shadow *s, size_t *place);
/* Places of one VMA / of VMAs that follow one another. */
bool any_run(struct shadow *s, bool one_vma, size_t *first, size_t *end);
/* A range in a page, not at its beginning if others write there too. */
size_t any_offset(struct shadow *s, size_t size);

#endif
