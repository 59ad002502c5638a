/* SPDX-License-Identifier: GPL-2.0 */
/* The host's debugger, for what is a race of a few instructions: scripts/guest/debugger.py. */
#ifndef MMLENS_SELFTESTS_DEBUGGER_H
#define MMLENS_SELFTESTS_DEBUGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * From now on, @size bytes of the kernel's memory are watched: the processor that makes a 32-bit
 * word there become @value stands still for so many milliseconds, while the others go on, unless
 * they need it: for its TLB, say. Once only, and not by the first write there: that tells what else
 * there is. Nobody else may write there at that time, or it is not known who was first. Returns
 * a descriptor for debugger_met(); -1 if there is no debugger.
 */
int debugger_watch(uint64_t address, size_t size, uint32_t value, unsigned int milliseconds);

/* Waits until that is over, and closes the descriptor; false if no word became @value. */
bool debugger_met(int fd);

#endif
