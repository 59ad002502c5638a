// SPDX-License-Identifier: GPL-2.0
/* Memory of files, and what is mapped as if it were one. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kinds.h"
#include "proc.h"
#include "scan.h"
#include "util.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

/* A file on a disk: /tmp may be memory. */
static int disk_file(struct memory *m)
{
	char byte[64 << 10] = "of a file";
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0) {
		cannot(m, "a file without a name in /var/tmp");
		return -1;
	}
	for (int i = 0; i < PAGES; i++)
		if (pwrite(fd, byte, page_size(), i * page_size()) != (ssize_t)page_size())
			cannot(m, "write");
	/* Clean, and not written back while it is looked at. */
	fsync(fd);
	return fd;
}

static void of_disk(struct memory *m, int flags)
{
	int fd = disk_file(m);

	if (fd < 0)
		return;
	kind_map(m, RW, flags, fd, PAGES);
	close(fd);
}

static void private_read(struct memory *m)
{
	of_disk(m, MAP_PRIVATE);
	kind_read(m);
}

static void private_written(struct memory *m)
{
	of_disk(m, MAP_PRIVATE);
	kind_write(m);
}

static void shared_read(struct memory *m)
{
	of_disk(m, MAP_SHARED);
	kind_read(m);
}

static void shared_written(struct memory *m)
{
	of_disk(m, MAP_SHARED);
	kind_write(m);
}

static void shmem(struct memory *m)
{
	kind_map(m, RW, SHARED, -1, PAGES);
	kind_write(m);
}

static void of_memfd(struct memory *m, int prot, int flags)
{
	char *all;
	int fd = memfd_create("kinds", 0);

	if (fd < 0 || ftruncate(fd, PAGES * page_size())) {
		cannot(m, "memfd_create");
		return;
	}
	/* The pages are there before anyone maps them. */
	all = mmap(NULL, PAGES * page_size(), RW, MAP_SHARED, fd, 0);
	memset(all, 'm', PAGES * page_size());
	munmap(all, PAGES * page_size());
	kind_map(m, prot, flags, fd, PAGES);
	close(fd);
}

static void memfd_shared(struct memory *m)
{
	of_memfd(m, RW, MAP_SHARED);
	kind_write(m);
}

static void memfd_private(struct memory *m)
{
	of_memfd(m, PROT_READ, MAP_PRIVATE);
	kind_read(m);
}

static void secret(struct memory *m)
{
	int fd = syscall(SYS_memfd_secret, 0);

	if (fd < 0 || ftruncate(fd, PAGES * page_size())) {
		cannot(m, "memfd_secret");
		return;
	}
	kind_map(m, RW, MAP_SHARED, fd, PAGES);
	close(fd);
	kind_write(m);
}

static void vdso(struct memory *m)
{
	m->start = (char *)getauxval(AT_SYSINFO_EHDR);
	m->pages = 1;
	if (!m->start)
		cannot_because(m, "there is no vdso");
	kind_read(m);
}

static void vvar(struct memory *m)
{
	struct proc_vmas vmas;

	if (!proc_vmas(0, false, &vmas)) {
		for (size_t i = 0; i < vmas.nr; i++)
			if (!strcmp(vmas.vma[i].name, "[vvar]"))
				m->start = (char *)vmas.vma[i].start;
		proc_vmas_free(&vmas);
	}
	m->pages = 1;
	if (!m->start)
		cannot_because(m, "there is no vvar");
	kind_read(m);
}

/* The address that sysfs has for a region of a PCI device. */
static uint64_t region_start(const char *path, int number)
{
	char device[256], *text, *line, *next;
	uint64_t start;

	snprintf(device, sizeof(device), "%.*s/resource", (int)(strrchr(path, '/') - path), path);
	text = read_file(device, NULL);
	next = text;
	line = strsep(&next, "\n");
	while (number-- && next)
		line = strsep(&next, "\n");
	start = line ? strtoull(line, NULL, 16) : 0;
	free(text);
	return start;
}

/*
 * The registers of a device, by whatever region of whatever device has no driver. It is
 * mapped as a whole by mmap(), and never touched.
 */
static void registers(struct memory *m)
{
	glob_t found;

	cannot_because(m, "no PCI device has a region that can be mapped");
	if (glob("/sys/bus/pci/devices/*/resource[0-5]", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];
		int fd = open(path, O_RDWR);
		char *map = mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0);

		close(fd);
		if (map == MAP_FAILED)
			continue;
		munmap(map, page_size());
		fd = open(path, O_RDWR);
		m->why[0] = '\0';
		kind_map(m, RW, MAP_SHARED, fd, 1);
		close(fd);
		m->frame = region_start(path, path[strlen(path) - 1] - '0') / page_size();
		break;
	}
	globfree(&found);
}

const struct kind file_kinds[] = {
	{
		.name = "file_private_read", .make = private_read,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_FILE, PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_MMAP), BIT_OF(KPF_ANON) | BIT_OF(KPF_SWAPBACKED) },
		.entry = "leaf", .level = "pte", .rwx = "r--", .page = "file", .memory = "WB",
	}, {
		.name = "file_private_written", .make = private_written,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE | PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		/* A file system wants to know of writes: page_mkwrite. */
		.name = "file_shared_read", .make = shared_read,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_FILE, PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_MMAP), BIT_OF(KPF_ANON) | BIT_OF(KPF_SWAPBACKED) },
		.entry = "leaf", .level = "pte", .rwx = "r--", .page = "file", .memory = "WB",
	}, {
		/* Writeback may take the right to write away again. */
		.name = "file_shared_written", .make = shared_written,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_FILE, PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_MMAP), BIT_OF(KPF_ANON) | BIT_OF(KPF_SWAPBACKED) },
		.entry = "leaf", .level = "pte", .page = "file", .memory = "WB",
	}, {
		.name = "shmem", .make = shmem,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_FILE, PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_SWAPBACKED), BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "shmem", .memory = "WB",
	}, {
		.name = "memfd_shared", .make = memfd_shared,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_FILE, PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_SWAPBACKED), BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "shmem", .memory = "WB",
	}, {
		.name = "memfd_private", .make = memfd_private,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_FILE, PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_SWAPBACKED), BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r--", .page = "shmem", .memory = "WB",
	}, {
		.name = "memfd_secret", .make = secret,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_FILE, PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { 0, BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-",
	}, {
		.name = "vdso", .make = vdso,
		.pagemap = { PM_PRESENT, PM_SWAP },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_HUGE },
		.page_flags = { 0, BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r-x",
	}, {
		/* In some kernels page frames without pages, which pagemap takes for a hole. */
		.name = "vvar", .make = vvar,
		.pagemap = { 0, PM_SWAP },
		.scan = { 0, PAGE_IS_SWAPPED },
		.entry = "leaf", .level = "pte", .rwx = "r--",
	}, {
		.name = "pci_registers", .make = registers,
		.pagemap = { 0, PM_PRESENT | PM_SWAP },
		.scan = { 0, PAGE_IS_PRESENT },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "device", .bit = "special",
#ifdef __x86_64__
		.memory = "UC-",
#else
		.memory = "nGnRE",
#endif
	},
};

const size_t nr_file_kinds = sizeof(file_kinds) / sizeof(*file_kinds);
