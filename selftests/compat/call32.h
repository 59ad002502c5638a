/* SPDX-License-Identifier: GPL-2.0 */
/* A system call of a 32-bit program that has no C library. */
#ifndef MMLENS_SELFTESTS_CALL32_H
#define MMLENS_SELFTESTS_CALL32_H

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

#endif
