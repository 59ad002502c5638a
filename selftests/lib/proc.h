/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel itself says of a process, in /proc. The tests compare our dumps
 * with this: nothing here may know anything of mmlens.
 */
#ifndef MMLENS_SELFTESTS_PROC_H
#define MMLENS_SELFTESTS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_vma {
	uint64_t start, end, offset, ino;
	unsigned int major, minor;
	char perm[5];
	const char *name;	/* "" without one */
	const char *vm_flags;	/* " rd wr ... ", from smaps */
	/* From smaps, in kB; huge: what is mapped at pmd, but for hugetlb. */
	uint64_t rss, swap, huge, hugetlb, ksm;
	uint64_t pkey;		/* ProtectionKey, from smaps; 0 without that line */
};

struct proc_vmas {
	char *text;
	size_t len;
	struct proc_vma *vma;
	size_t nr;
};

/* /proc/PID/smaps if the flags are wanted, else maps. 0 or a negative errno. */
int proc_vmas(pid_t pid, bool with_flags, struct proc_vmas *vmas);
void proc_vmas_free(struct proc_vmas *vmas);
const struct proc_vma *proc_find(const struct proc_vmas *vmas, uint64_t addr);
/* @code: two letters of VmFlags. */
bool proc_has_flag(const struct proc_vma *vma, const char *code);

/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_FRAME	((1UL << 55) - 1)
#define PM_SWAP_TYPE(e)	((e) & 0x1f)
#define PM_SWAP_OFFSET(e) (((e) & PM_FRAME) >> 5)
#define PM_SOFT_DIRTY	(1UL << 55)
#define PM_EXCLUSIVE	(1UL << 56)
#define PM_UFFD_WP	(1UL << 57)
#define PM_GUARD	(1UL << 58)
#define PM_FILE		(1UL << 61)
#define PM_SWAP		(1UL << 62)
#define PM_PRESENT	(1UL << 63)

int proc_pagemap_open(pid_t pid);
/* @nr entries from @addr on; false if not all could be read. */
bool proc_pagemap(int fd, uint64_t addr, uint64_t *entries, size_t nr);
/* The next address from @addr on that has a page, a swap slot or a marker; @end if none. */
uint64_t proc_pagemap_next(int fd, uint64_t addr, uint64_t end);
uint64_t page_size(void);

/* A number of /proc/PID/FILE behind "NAME:"; -1 if there is no such line. */
int64_t proc_number(pid_t pid, const char *file, const char *name);
/* Field number @nr of /proc/PID/stat, counted as in proc_pid_stat(5). */
uint64_t proc_stat(pid_t pid, int nr);
/* Field number @nr of /proc/PID/statm, from 1. */
uint64_t proc_statm(pid_t pid, int nr);
char proc_state(pid_t pid);
/* All process ids; free the result. */
pid_t *proc_pids(size_t *nr);

#endif
