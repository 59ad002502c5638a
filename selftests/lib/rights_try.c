// SPDX-License-Identifier: GPL-2.0
/* All that one could try, with what one has. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "lens.h"
#include "query.h"
#include "rights.h"
#include "texts.h"
#include "util.h"
#include "walk.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PARAMETERS "/sys/module/mmlens/parameters"

/* Notes one try, and what it gave. */
static void note(struct rights_report *report, enum rights_column column, pid_t target, int result,
		 const void *out, size_t len, const char *format, ...)
	__attribute__((format(printf, 7, 8)));

static void note(struct rights_report *report, enum rights_column column, pid_t target, int result,
		 const void *out, size_t len, const char *format, ...)
{
	struct rights_try *try = &report->tries[report->nr++];
	va_list args;

	if (report->nr == RIGHTS_TRIES || report->used + len > RIGHTS_ARENA)
		abort();
	*try = (struct rights_try){
		.column = column, .target = target, .result = result, .at = report->used,
		.len = result < 0 ? 0 : len,
	};
	va_start(args, format);
	vsnprintf(try->name, sizeof(try->name), format, args);
	va_end(args);
	memcpy(report->arena + try->at, out, try->len);
	/* Numbers are aligned. */
	report->used += (try->len + 7) & ~7UL;
}

/* All that can be read from a descriptor or a negative errno; it is closed. */
static void note_text(struct rights_report *report, enum rights_column column, pid_t target, int fd,
		      const char *name)
{
	size_t len = 0;
	char *text = fd < 0 ? NULL : read_fd(fd, &len);

	note(report, column, target, fd < 0 ? fd : text ? 0 : -errno, text, len, "%s", name);
	free(text);
	if (fd >= 0)
		close(fd);
}

/* The answers to all questions; the descriptor is closed. */
static void note_answers(struct rights_report *report, enum rights_column column, pid_t target,
			 int fd, unsigned long address)
{
	static const char *const words[] = {
		"find_vma", "find_vma_prev", "translate", "explain", "rmap", "gap",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		int ret = fd < 0 ? fd : query_ask(fd, "%s %lx", words[i], address | 1);
		size_t len = 0;
		char *text = ret ? NULL : read_fd(fd, &len);

		note(report, column, target, ret ? ret : text ? 0 : -errno, text, len, "query: %s",
		     words[i]);
		free(text);
	}
	if (fd >= 0)
		close(fd);
}

static int call(int fd, unsigned long command, void *arg)
{
	return ioctl(fd, command, arg) < 0 ? -errno : 0;
}

/* With a descriptor of the device. */
static void try_buffer(struct rights_report *r, int fd)
{
	struct mmlens_setup setup = device_words("ioremap,pfnmap", RIGHTS_PAGES);
	struct mmlens_machine machine = { .size = sizeof(machine) };
	struct mmlens_stats stats = { .size = sizeof(stats) };
	struct mmlens_info info = { .size = sizeof(info) };
	struct mmlens_event events[64] = {};
	char path[40], *text;
	__u64 bits = 0;
	size_t len = 0;
	int ret;

	/* There is none of this number, and it is not said to everybody. */
	ret = call(fd, MMLENS_IOC_SETUP, &setup);
	note(r, RIGHTS_MEMORY, 0, ret == -ENODEV ? 0 : ret, &setup, sizeof(setup), "SETUP of ioremap");
	setup = device_words("vmap,track", RIGHTS_PAGES);
	note(r, RIGHTS_BUFFER, 0, call(fd, MMLENS_IOC_SETUP, &setup), &setup, sizeof(setup), "SETUP");
	r->map = device_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, RIGHTS_PAGES, 0);
	note(r, RIGHTS_BUFFER, 0, r->map == MAP_FAILED ? -errno : 0, NULL, 0, "mmap");
	if (r->map == MAP_FAILED)
		r->map = NULL;
	for (size_t i = 0; r->map && i < RIGHTS_PAGES * page_size() / 8; i++)
		((uint64_t *)r->map)[i] = r->secret;
	ret = call(fd, MMLENS_IOC_INFO, &info);
	note(r, RIGHTS_BUFFER, 0, ret, &info, sizeof(info), "INFO");
	for (stats.op = 0; stats.op < MMLENS_OP_COUNT; stats.op++) {
		ret = call(fd, MMLENS_IOC_STATS, &stats);
		note(r, RIGHTS_BUFFER, 0, ret, &stats, sizeof(stats), "STATS");
	}
	ret = device_events(fd, events, ARRAY_SIZE(events), NULL);
	note(r, RIGHTS_BUFFER, 0, ret < 0 ? ret : 0, events, sizeof(events), "EVENTS");
	ret = device_dirty(fd, 0, RIGHTS_PAGES, 0, &bits, NULL);
	note(r, RIGHTS_BUFFER, 0, ret, &bits, sizeof(bits), "DIRTY");
	note(r, RIGHTS_BUFFER, 0, device_revoke(fd, 0), NULL, 0, "REVOKE");
	note(r, RIGHTS_BUFFER, 0, device_restore(fd), NULL, 0, "RESTORE");
	ret = call(fd, MMLENS_IOC_MACHINE, &machine);
	note(r, RIGHTS_BUFFER, 0, ret, &machine, sizeof(machine), "MACHINE");
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	text = read_file(path, &len);
	note(r, RIGHTS_BUFFER, 0, text ? 0 : -errno, text, len, "fdinfo");
	free(text);
	/* The pages are there for whoever judges. */
	for (size_t i = 0; r->map && i < RIGHTS_PAGES; i++)
		((volatile char *)r->map)[i * page_size()] |= 0;
}

/* Device memory, set up by somebody else. */
static void try_memory(struct rights_report *r, int fd)
{
	void *map = device_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 1, 0);
	uint64_t word = 0;
	ssize_t done;

	note(r, RIGHTS_MEMORY, 0, map == MAP_FAILED ? -errno : 0, NULL, 0, "mmap of memory");
	if (map != MAP_FAILED)
		munmap(map, page_size());
	done = pread(fd, &word, sizeof(word), 0);
	note(r, RIGHTS_MEMORY, 0, done < 0 ? -errno : 0, NULL, 0, "read of memory");
	done = pwrite(fd, &word, sizeof(word), 0);
	note(r, RIGHTS_MEMORY, 0, done < 0 ? -errno : 0, NULL, 0, "write of memory");
}

/* What can be asked of a process by the device. Returns an address that it has. */
static unsigned long try_records(struct rights_report *r, int fd, pid_t pid)
{
	static char buffer[1 << 20] __attribute__((aligned(8)));
	unsigned long address = 0x400000;

	for (unsigned int what = 0; what <= MMLENS_QUERY_TRANSLATE; what++) {
		bool has_length = what == MMLENS_QUERY_INTERSECTION || what == MMLENS_QUERY_GAP;
		struct mmlens_query query = {
			.what = what, .pid = pid, .length = has_length ? 1UL << 46 : 0,
			.address = what == MMLENS_QUERY_GAP ? 0 : address,
		};
		int ret;

		if (what == MMLENS_QUERY_GAP)
			query.length = page_size();
		ret = ioctl_query(fd, &query);
		if (!ret && what == MMLENS_QUERY_FIND_VMA)
			address = query.vma.start;
		note(r, RIGHTS_LOOK, pid, ret, &query, sizeof(query), "QUERY %u", what);
	}
	for (unsigned int form = 0; form <= MMLENS_FORM_COUNTS; form++) {
		struct mmlens_walk walk = walk_of(pid, form);
		int ret;

		if (form == MMLENS_FORM_VMAS)
			walk.flags = MMLENS_WALK_NAMES;
		else if (form == MMLENS_FORM_RUNS)
			walk.flags = MMLENS_WALK_PAGES;
		memset(buffer, 0, sizeof(buffer));
		ret = walk_call(fd, &walk, buffer, sizeof(buffer));
		note(r, RIGHTS_LOOK, pid, ret, buffer, ret ? 0 : walk.bytes, "WALK %u", form);
	}
	return address;
}

static void try_process(struct rights_report *r, int fd, pid_t pid)
{
	unsigned long address = try_records(r, fd, pid);
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(process_texts); i++) {
		int text = text_open(fd, process_texts[i].what, pid);

		if (process_texts[i].what == MMLENS_TEXT_QUERY)
			note_answers(r, RIGHTS_LOOK, pid, text, address);
		else
			note_text(r, RIGHTS_LOOK, pid, text, process_texts[i].name);
	}
	ret = ioctl_attach(fd, pid);
	note(r, RIGHTS_LOOK, pid, ret, NULL, 0, "ATTACH");
	/* Whoever was refused must not find it attached by somebody else. */
	ret = ioctl_detach(fd, pid);
	note(r, RIGHTS_LOOK, pid, ret, NULL, 0, "DETACH");
}

static void try_files(struct rights_report *r)
{
	static const char *const control[] = { LENS "/attach", LENS "/detach" };
	char path[64];
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(process_texts); i++) {
		if (process_texts[i].what == MMLENS_TEXT_QUERY)
			note_answers(r, RIGHTS_WRITTEN, 0, query_open(0), (unsigned long)path);
		else
			note_text(r, RIGHTS_FILES, 0, lens_open(0, process_texts[i].name),
				  process_texts[i].name);
	}
	fd = open(LENS "/targets", O_RDONLY);
	note_text(r, RIGHTS_FILES, 0, fd < 0 ? -errno : fd, "targets");
	for (size_t i = 0; i < ARRAY_SIZE(control); i++) {
		fd = open(control[i], O_WRONLY);
		note(r, RIGHTS_WRITTEN, 0, fd < 0 ? -errno : 0, NULL, 0, "%s", control[i]);
		close(fd);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernel_texts); i++) {
		snprintf(path, sizeof(path), LENS "/%s", kernel_texts[i].name);
		fd = open(path, O_RDONLY);
		if (fd < 0 && errno == ENOENT && !r->kernel_walk)
			continue;
		note_text(r, kernel_texts[i].what == MMLENS_TEXT_BUFFERS ? RIGHTS_FILES :
			  RIGHTS_KERNEL_FILES, 0, fd < 0 ? -errno : fd, kernel_texts[i].name);
	}
}

static void try_given(struct rights_report *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(process_texts); i++) {
		int fds[] = { r->given.texts[i], r->given.files[i] };

		for (size_t j = 0; j < ARRAY_SIZE(fds); j++) {
			if (fds[j] < 0)
				continue;
			if (process_texts[i].what == MMLENS_TEXT_QUERY)
				note_answers(r, RIGHTS_GIVEN, 0, fds[j], 0);
			else
				note_text(r, RIGHTS_GIVEN, 0, fds[j], process_texts[i].name);
		}
	}
}

/* What the kernel protects for us: by modes. */
static void try_admin(struct rights_report *r)
{
	static const char *const files[] = {
		PARAMETERS "/setup", PARAMETERS "/max_buffer_mib",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *text = read_file(files[i], NULL);

		note(r, RIGHTS_ADMIN, 0, text ? write_file(files[i], text) : -errno, NULL, 0, "%s",
		     files[i] + sizeof(PARAMETERS));
		free(text);
	}
}

void rights_try_all(struct rights_report *r)
{
	int fd = device_open(O_RDWR);

	rights_plant(r->secret);
	note(r, RIGHTS_NODE, 0, fd < 0 ? -errno : 0, NULL, 0, "open");
	if (fd < 0)
		fd = r->given.device;
	if (fd >= 0) {
		try_buffer(r, fd);
		if (r->given.memory >= 0 &&
		    device_info(r->given.memory).backing == MMLENS_BACKING_IOREMAP)
			try_memory(r, r->given.memory);
		for (size_t i = 0; i < r->nr_targets; i++)
			try_process(r, fd, r->targets[i]);
		for (size_t i = 0; i < ARRAY_SIZE(kernel_texts); i++) {
			int text = text_open(fd, kernel_texts[i].what, 0);

			if (text != -ENOENT || r->kernel_walk)
				note_text(r, kernel_texts[i].what == MMLENS_TEXT_BUFFERS ?
					  RIGHTS_LOOK : RIGHTS_KERNEL, 0, text,
					  kernel_texts[i].name);
		}
	}
	try_files(r);
	try_given(r);
	try_admin(r);
}
