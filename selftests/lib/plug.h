/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that is plugged into a running guest, used, and unplugged again. It takes a shape of
 * the machine, dimm (scripts/vm --help): there the guest may speak to QEMU's monitor.
 */
#ifndef MMLENS_SELFTESTS_PLUG_H
#define MMLENS_SELFTESTS_PLUG_H

#include <stdbool.h>

/* 0, or -ENODEV on another machine. */
int plug_open(void);
/* Some blocks more, in the movable zone; as they come. Returns how many are there, 0: none. */
int plug_add(void);
/* Takes all of it away again: false if the kernel holds on to it. */
bool plug_remove(void);
void plug_close(void);

/* One of the blocks that were plugged, offline and online again. False if it stays online. */
bool plug_offline(unsigned int number);
bool plug_online(unsigned int number);

#endif
