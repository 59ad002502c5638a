// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "proc.h"
#include "util.h"

uint64_t page_size(void)
{
	static uint64_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

static char *read_proc(pid_t pid, const char *file, size_t *len)
{
	char path[64];

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	else
		snprintf(path, sizeof(path), "/proc/self/%s", file);
	return read_file(path, len);
}

/* The line of a VMA; smaps has others below it, which begin with a capital letter. */
static bool parse_vma(char *line, struct proc_vma *vma)
{
	int at = 0;

	memset(vma, 0, sizeof(*vma));
	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%n", &vma->start, &vma->end, vma->perm,
		   &vma->offset, &vma->major, &vma->minor, &vma->ino, &at) != 7)
		return false;
	vma->name = line + at + strspn(line + at, " ");
	return true;
}

/* A line of smaps below that of the VMA. */
static void parse_detail(char *line, struct proc_vma *vma)
{
	const struct {
		const char *name;
		uint64_t *sum;
	} fields[] = {
		{ "Rss:", &vma->rss }, { "Swap:", &vma->swap }, { "KSM:", &vma->ksm },
		{ "AnonHugePages:", &vma->huge }, { "ShmemPmdMapped:", &vma->huge },
		{ "FilePmdMapped:", &vma->huge }, { "Shared_Hugetlb:", &vma->hugetlb },
		{ "Private_Hugetlb:", &vma->hugetlb }, { "ProtectionKey:", &vma->pkey },
	};

	if (!strncmp(line, "VmFlags:", 8))
		vma->vm_flags = line + 8;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		size_t len = strlen(fields[i].name);

		if (!strncmp(line, fields[i].name, len))
			*fields[i].sum += strtoull(line + len, NULL, 10);
	}
}

int proc_vmas(pid_t pid, bool with_flags, struct proc_vmas *vmas)
{
	size_t room = 0;
	char *next;

	memset(vmas, 0, sizeof(*vmas));
	vmas->text = read_proc(pid, with_flags ? "smaps" : "maps", &vmas->len);
	if (!vmas->text)
		return -errno;
	next = vmas->text;
	while (*next) {
		char *line = strsep(&next, "\n");

		if (isupper(*line)) {
			if (vmas->nr)
				parse_detail(line, &vmas->vma[vmas->nr - 1]);
		} else {
			if (vmas->nr == room) {
				room = room * 2 + 64;
				vmas->vma = realloc(vmas->vma, room * sizeof(*vmas->vma));
			}
			if (!vmas->vma || !parse_vma(line, &vmas->vma[vmas->nr++])) {
				proc_vmas_free(vmas);
				return -EBADMSG;
			}
		}
		if (!next)
			break;
	}
	return 0;
}

void proc_vmas_free(struct proc_vmas *vmas)
{
	free(vmas->vma);
	free(vmas->text);
	memset(vmas, 0, sizeof(*vmas));
}

const struct proc_vma *proc_find(const struct proc_vmas *vmas, uint64_t addr)
{
	for (size_t i = 0; i < vmas->nr; i++)
		if (vmas->vma[i].start <= addr && addr < vmas->vma[i].end)
			return &vmas->vma[i];
	return NULL;
}

bool proc_has_flag(const struct proc_vma *vma, const char *code)
{
	char word[8];

	snprintf(word, sizeof(word), " %s ", code);
	return vma->vm_flags && strstr(vma->vm_flags, word);
}

int proc_pagemap_open(pid_t pid)
{
	char path[64];

	if (!pid)
		return open("/proc/self/pagemap", O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	return open(path, O_RDONLY);
}

bool proc_pagemap(int fd, uint64_t addr, uint64_t *entries, size_t nr)
{
	uint64_t at = addr / page_size() * sizeof(*entries);
	size_t bytes = nr * sizeof(*entries), have = 0;

	while (have < bytes) {
		ssize_t got = pread(fd, (char *)entries + have, bytes - have, at + have);

		if (got <= 0)
			return false;
		have += got;
	}
	return true;
}

uint64_t proc_pagemap_next(int fd, uint64_t addr, uint64_t end)
{
	struct page_region region;
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = addr,
		.end = end,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_PFNZERO,
		.return_mask = PAGE_IS_PRESENT,
	};

	/* A kernel that cannot say: everything has to be looked at. */
	switch (ioctl(fd, PAGEMAP_SCAN, &arg)) {
	case 0:
		return end;
	case 1:
		return region.start;
	default:
		return addr;
	}
}

int64_t proc_number(pid_t pid, const char *file, const char *name)
{
	char *text = read_proc(pid, file, NULL), *next = text;
	size_t len = strlen(name);
	int64_t value = -1;

	while (next && *next && value < 0) {
		char *line = strsep(&next, "\n");

		if (!strncmp(line, name, len) && line[len] == ':')
			value = strtoll(line + len + 1, NULL, 10);
	}
	free(text);
	return value;
}

static uint64_t word_number(const char *s, int nr)
{
	while (s && --nr) {
		s = strchr(s, ' ');
		if (s)
			s++;
	}
	return s ? strtoull(s, NULL, 10) : 0;
}

uint64_t proc_stat(pid_t pid, int nr)
{
	char *text = read_proc(pid, "stat", NULL);
	/* The second field is in parentheses and may have spaces and more of them inside. */
	char *third = text ? strrchr(text, ')') : NULL;
	uint64_t value = third ? word_number(third + 2, nr - 2) : 0;

	free(text);
	return value;
}

uint64_t proc_statm(pid_t pid, int nr)
{
	char *text = read_proc(pid, "statm", NULL);
	uint64_t value = word_number(text, nr);

	free(text);
	return value;
}

char proc_state(pid_t pid)
{
	char *text = read_proc(pid, "stat", NULL);
	char *third = text ? strrchr(text, ')') : NULL;
	char state = third ? third[2] : '\0';

	free(text);
	return state;
}

pid_t *proc_pids(size_t *nr)
{
	DIR *dir = opendir("/proc");
	pid_t *pids = NULL;
	size_t room = 0;
	struct dirent *entry;

	*nr = 0;
	while (dir && (entry = readdir(dir))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		if (*nr == room) {
			room = room * 2 + 64;
			pids = realloc(pids, room * sizeof(*pids));
			if (!pids)
				break;
		}
		pids[(*nr)++] = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return pids;
}
