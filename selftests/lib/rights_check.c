// SPDX-License-Identifier: GPL-2.0
/* Whether somebody got what his row of the table says, and nothing that nobody may see. */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "kernel.h"
#include "lens.h"
#include "rights.h"
#include "util.h"

static struct rights_report *report;
static pid_t made[8];
static size_t nr_made;
static char message[400];
/* Of the layout: the first address that is the kernel's, and one of its regions. */
static uint64_t kernel_first;
static struct kernel_region vmalloc_area;

const struct rights_row *rights_row(const char *who)
{
	for (size_t i = 0; i < nr_rights_rows; i++)
		if (!strcmp(rights_rows[i].who, who))
			return &rights_rows[i];
	abort();
}

/* What the cell says with this kptr_restrict: 0, a negative errno, or 1: he has nothing. */
static int expected(const char *cell, int kptr_restrict)
{
	if (!strcmp(cell, "-"))
		return 1;
	if (!strcmp(cell, "yes") || strchr(cell, '0' + kptr_restrict))
		return 0;
	return !strcmp(cell, "EACCES") ? -EACCES : -EPERM;
}

static void as_user(void *arg)
{
	uid_t uid = *(uid_t *)arg;

	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid) || prctl(PR_SET_DUMPABLE, 1))
		abort();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rights_plant(report->secret);
}

static void not_dumpable(void *arg)
{
	as_user(arg);
	prctl(PR_SET_DUMPABLE, 0);
}

static void in_user_namespace(void *arg)
{
	as_user(arg);
	/* Without namespaces it is one more process of that user. */
	(void)!unshare(CLONE_NEWUSER);
}

/* A program that is run with more rights than its user has. */
static void setuid_program(void *arg)
{
	size_t len;
	char *program = read_file("/proc/self/exe", &len);
	FILE *copy = fopen("/tmp/rights_target", "w");

	if (!copy || fwrite(program, 1, len, copy) != len || fclose(copy) ||
	    chmod("/tmp/rights_target", 04755))
		abort();
	as_user(arg);
	execl("/tmp/rights_target", "/tmp/rights_target", "--wait", NULL);
	abort();
}

static void learn_layout(void)
{
	struct kernel_text layout;

	if (write_number(KPTR_RESTRICT, 0) || kernel_layout(&layout))
		abort();
	kernel_first = UINT64_MAX;
	for (size_t i = 0; i < layout.nr_regions; i++) {
		uint64_t start = layout.region[i].start;

		if (start >> 63 && start < kernel_first)
			kernel_first = start;
	}
	vmalloc_area = *kernel_find(&layout, "vmalloc");
	kernel_free(&layout);
}

void rights_begin(void)
{
	static void (*const makes[])(void *arg) = {
		as_user, as_user, not_dumpable, setuid_program, in_user_namespace,
	};
	int fd = memfd_create("rights", 0);
	FILE *random = fopen("/dev/urandom", "r");

	if (ftruncate(fd, sizeof(*report)) || dup2(fd, RIGHTS_REPORT) != RIGHTS_REPORT)
		abort();
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED, RIGHTS_REPORT, 0);
	if (report == MAP_FAILED || !random || fread(&report->secret, 8, 1, random) != 1)
		abort();
	fclose(random);
	learn_layout();
	report->kernel_walk = !access(LENS "/kernel/pagetable", F_OK);
	rights_plant(report->secret);
	for (nr_made = 0; nr_made < sizeof(makes) / sizeof(*makes); nr_made++) {
		uid_t uid = nr_made == 1 ? RIGHTS_USER + 1 : RIGHTS_USER;

		made[nr_made] = target_start(makes[nr_made], &uid);
		if (made[nr_made] <= 0)
			abort();
	}
	/* The first user process, and a kernel thread. */
	made[nr_made++] = 1;
	made[nr_made++] = 2;
}

void rights_end(void)
{
	for (size_t i = 0; i < nr_made; i++)
		if (made[i] > 2)
			target_end(made[i]);
	unlink("/tmp/rights_target");
	unlink("/tmp/rights_helper");
	munmap(report, sizeof(*report));
	close(RIGHTS_REPORT);
}

/* Of the kernel's half, and no small negative number, nor the vsyscall page of x86_64. */
static bool is_kernel_address(uint64_t number)
{
	return number >= kernel_first && number < (uint64_t)-4096 &&
	       number != 0xffffffffff600000 && number != 0xffffffffff601000;
}

/* The frames of the pages that somebody has mapped of the device. */
struct frames {
	uint64_t frame[RIGHTS_PAGES];
	size_t nr;
};

static bool is_place(uint64_t number, const struct frames *frames)
{
	uint64_t frame = (number & ((1UL << 52) - 1)) / page_size();

	for (size_t i = 0; i < frames->nr; i++)
		if (frames->frame[i] == number || frames->frame[i] == frame)
			return true;
	return false;
}

/* Calls @is_it for each number that there is: in words of a text, or in records. */
static bool any_number(const char *out, size_t len, bool (*is_it)(uint64_t, const void *),
		       const void *arg)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t number;

		memcpy(&number, out + i, 8);
		if (is_it(number, arg))
			return true;
	}
	for (size_t i = 0; i < len;) {
		bool begins = !i || !isalnum(out[i - 1]) || out[i - 1] == 'x';
		size_t digits = 0;
		char word[32];

		while (i + digits < len && isxdigit(out[i + digits]))
			digits++;
		if (begins && digits > 2 && digits < sizeof(word)) {
			memcpy(word, out + i, digits);
			word[digits] = '\0';
			if (is_it(strtoull(word, NULL, 16), arg) ||
			    (strspn(word, "0123456789") == digits &&
			     is_it(strtoull(word, NULL, 10), arg)))
				return true;
		}
		i += digits + 1;
	}
	return false;
}

static bool kernel_address(uint64_t number, const void *arg)
{
	(void)arg;
	return is_kernel_address(number);
}

static bool vmalloc_address(uint64_t number, const void *arg)
{
	return kernel_address(number, arg) && number >= vmalloc_area.start &&
	       number <= vmalloc_area.last;
}

static bool place_number(uint64_t number, const void *arg)
{
	return is_place(number, arg);
}

/* The secret, as bytes in either order, or as a number in a text. */
static bool has_secret(const char *out, size_t len)
{
	uint64_t turned = __builtin_bswap64(report->secret);
	char texts[4][24];

	sprintf(texts[0], "%lx", report->secret);
	sprintf(texts[1], "%lX", report->secret);
	sprintf(texts[2], "%lx", turned);
	sprintf(texts[3], "%lu", report->secret);
	for (size_t i = 0; i < 4; i++)
		if (memmem(out, len, texts[i], strlen(texts[i])))
			return true;
	return memmem(out, len, &report->secret, 8) || memmem(out, len, &turned, 8);
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

static int judge(const struct rights_row *row, int kptr_restrict, const struct rights_try *try,
		 const struct frames *frames)
{
	/* What shows kernel addresses to those who may see them in kernel/ too. */
	static const char *const with_addresses[] = { "buffers", "user_pgd", "INFO", NULL };
	const char *out = report->arena + try->at;
	int want = expected(row->cell[try->column], kptr_restrict);
	const char *bad = NULL;
	bool may_see;

	if (!want && try->target == 2 && try->column == RIGHTS_LOOK &&
	    (!strncmp(try->name, "WALK", 4) || !strncmp(try->name, "QUERY", 5)))
		want = -ENODATA;
	may_see = try->column == RIGHTS_KERNEL || try->column == RIGHTS_KERNEL_FILES ||
		  (is_one_of(try->name, with_addresses) &&
		   !expected(row->cell[RIGHTS_KERNEL], kptr_restrict)) ||
		  /* It was root who opened it. */
		  (try->column == RIGHTS_GIVEN && kptr_restrict < 2 &&
		   !strcmp(try->name, "user_pgd"));
	if (try->result != want)
		bad = "another result";
	else if (has_secret(out, try->len))
		bad = "contents of memory";
	else if (!may_see && any_number(out, try->len, kernel_address, NULL))
		bad = "a kernel address";
	else if ((try->column == RIGHTS_BUFFER || try->column == RIGHTS_MEMORY) &&
		 any_number(out, try->len, place_number, frames))
		bad = "a physical address";
	if (bad)
		snprintf(message, sizeof(message),
			 "%s, kptr_restrict %d: %s of process %d: %s (%d, not %d)", row->who,
			 kptr_restrict, try->name, try->target, bad, try->result, want);
	return !bad;
}

/* The frames behind the mapping of a process that is stopped. */
static void read_frames(pid_t pid, struct frames *frames)
{
	int pagemap = proc_pagemap_open(pid);
	uint64_t entries[RIGHTS_PAGES];

	frames->nr = 0;
	if (!report->map ||
	    !proc_pagemap(pagemap, (uintptr_t)report->map, entries, RIGHTS_PAGES)) {
		close(pagemap);
		return;
	}
	close(pagemap);
	for (size_t i = 0; i < RIGHTS_PAGES; i++)
		if (entries[i] & PM_PRESENT)
			frames->frame[frames->nr++] = entries[i] & PM_FRAME;
}

/* That what is looked for can be found: in what root sees. */
static bool sees_what_it_looks_for(const struct rights_row *row, int kptr_restrict,
				   const struct frames *frames)
{
	bool place = false, address = kptr_restrict == 2;

	if (strcmp(row->who, "root"))
		return true;
	for (size_t i = 0; i < report->nr; i++) {
		const struct rights_try *try = &report->tries[i];
		const char *out = report->arena + try->at;

		place |= try->column == RIGHTS_LOOK && !try->target &&
			 any_number(out, try->len, place_number, frames);
		address |= try->column == RIGHTS_KERNEL &&
			   any_number(out, try->len, vmalloc_address, NULL);
	}
	return place && address && has_secret((const char *)&report->secret, 8);
}

const char *rights_check(const struct rights_row *row, int kptr_restrict,
			 const struct rights_given *given)
{
	struct frames frames;
	const char *wrong = NULL;
	int status;
	pid_t pid;

	report->nr = 0;
	report->used = 0;
	report->failed = 0;
	report->map = NULL;
	report->wrong[0] = '\0';
	report->tried_by = 0;
	report->given = *given;
	report->targets[0] = 0;
	memcpy(report->targets + 1, made, nr_made * sizeof(*made));
	/* Who is looked at has nothing to do with the sysctl. */
	report->nr_targets = kptr_restrict || kernel_is_slow() ? 1 : 1 + nr_made;
	pid = child_fork();
	if (!pid) {
		rights_be(row->who, report);
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	if (waitpid(pid, &status, WUNTRACED) != pid)
		return "nobody came back";
	if (report->failed) {
		snprintf(message, sizeof(message), "skip: %s: %s", row->who,
			 strerror(report->failed));
		wrong = message;
	} else if (report->wrong[0]) {
		snprintf(message, sizeof(message), "%s: %s", row->who, report->wrong);
		wrong = message;
	} else if (!report->nr) {
		snprintf(message, sizeof(message), "%s: he tried nothing (%x)", row->who, status);
		wrong = message;
	}
	read_frames(report->tried_by ? report->tried_by : pid, &frames);
	/* Else nothing could be a place of them. */
	if (!wrong && report->map && !frames.nr)
		wrong = "the pages that he has mapped are not known";
	for (size_t i = 0; i < report->nr && !wrong; i++)
		if (!judge(row, kptr_restrict, &report->tries[i], &frames))
			wrong = message;
	if (!wrong && !sees_what_it_looks_for(row, kptr_restrict, &frames))
		wrong = "what must not be seen is not found where it is";
	if (WIFSTOPPED(status)) {
		if (report->tried_by) {
			/* Who waits for it then ends. */
			kill(report->tried_by, SIGKILL);
			kill(pid, SIGCONT);
			waitpid(pid, &status, 0);
		} else {
			target_end(pid);
		}
	}
	return wrong;
}
