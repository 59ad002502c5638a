// SPDX-License-Identifier: GPL-2.0
/*
 * A 32-bit program without a C library: maps some memory, touches all but the last page
 * of it, prints where it is, and stops.
 */

#include "call32.h"

/* The numbers of system calls that i386 and arm have in common. */
enum { SYS_WRITE = 4, SYS_GETPID = 20, SYS_PAUSE = 29, SYS_KILL = 37, SYS_MMAP2 = 192 };

#define PAGES 8
#define PAGE 4096
#define RW 3			/* PROT_READ | PROT_WRITE */
#define ANON 0x22		/* MAP_PRIVATE | MAP_ANONYMOUS */
#define SIGSTOP 19

void _start(void)
{
	unsigned long map = call(SYS_MMAP2, 0, PAGES * PAGE, RW, ANON, -1, 0);
	char text[9];

	for (int i = 0; i < PAGES - 1; i++)
		*(volatile char *)(map + i * PAGE) = 1;
	for (int i = 0; i < 8; i++)
		text[i] = "0123456789abcdef"[map >> (28 - 4 * i) & 15];
	text[8] = '\n';
	call(SYS_WRITE, 1, (long)text, 9, 0, 0, 0);
	call(SYS_KILL, call(SYS_GETPID, 0, 0, 0, 0, 0, 0), SIGSTOP, 0, 0, 0, 0);
	for (;;)
		call(SYS_PAUSE, 0, 0, 0, 0, 0, 0);
}
