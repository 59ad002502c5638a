/* SPDX-License-Identifier: GPL-2.0 */
/* Where the linker has put the parts of this program: end(3). */
#ifndef MMLENS_SELFTESTS_SECTIONS_H
#define MMLENS_SELFTESTS_SECTIONS_H

extern char __executable_start[], etext[], edata[], end[];

#endif
