// SPDX-License-Identifier: GPL-2.0
/*
 * A 32-bit program without a C library: maps some memory, touches all but the last page
 * of it, prints where it is, and stops.
 */

/* The numbers of system calls that i386 and arm have in common. */
enum { SYS_WRITE = 4, SYS_GETPID = 20, SYS_PAUSE = 29, SYS_KILL = 37, SYS_MMAP2 = 192 };

#ifdef __arm__
static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r7 asm("r7") = nr;
	register long r0 asm("r0") = a;
	register long r1 asm("r1") = b;
	register long r2 asm("r2") = c;
	register long r3 asm("r3") = d;
	register long r4 asm("r4") = e;
	register long r5 asm("r5") = f;

	asm volatile("svc 0"
		     : "+r"(r0)
		     : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5)
		     : "memory");
	return r0;
}
#else
static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;

	/* The sixth argument is in the frame pointer, which the compiler may be using. */
	asm volatile("push %[f]; push %%ebp; mov 4(%%esp), %%ebp; int $0x80; pop %%ebp; add $4, %%esp"
		     : "=a"(ret)
		     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "m"(f)
		     : "memory");
	return ret;
}
#endif

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
