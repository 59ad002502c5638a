/* SPDX-License-Identifier: GPL-2.0 */
/* A process that execs when it is told to, and whose memories can be told apart. */
#ifndef MMLENS_SELFTESTS_LIVE_H
#define MMLENS_SELFTESTS_LIVE_H

/* What only memory number @memory has: a page at this address. */
#define LIVE_MARK(memory) (0x200000000UL + ((unsigned long)(memory) << 21))

/*
 * In a child: has memory number @memory, and writes a byte to @done. For an 'x' from
 * @command it execs and for a 't' another thread does, and is the same with the next number.
 */
void live(int memory, int command, int done) __attribute__((noreturn));

#endif
