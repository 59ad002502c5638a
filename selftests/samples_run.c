// SPDX-License-Identifier: GPL-2.0
/*
 * The samples do what the comments on top of them say: the programs on /dev/mmlens, and
 * the module vm_minimal, which is a driver of its own over the same layer.
 *
 * The programs are in the folder samples/ beside this one, and vm_minimal.ko is beside it
 * or what VM_MINIMAL_KO says.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)

/* A file beside this program. */
static const char *beside(const char *name)
{
	static char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	while (len > 0 && path[len - 1] != '/')
		len--;
	snprintf(path + len, sizeof(path) - len, "%s", name);
	return path;
}

FIXTURE(sample)
{
	char *text;	/* what it has printed */
	char *at;	/* up to where that was looked at */
};

/* Programs are run with one argument, and not at all by fixtures without a name. */
FIXTURE_VARIANT(sample)
{
	const char *name, *argument;
};

#define SAMPLE(sample_name, ...) \
	FIXTURE_VARIANT_ADD(sample, sample_name) { .name = "samples/" #sample_name, __VA_ARGS__ }
SAMPLE(events);
SAMPLE(mmap_strategies, .argument = "4");
SAMPLE(share_and_revoke);
SAMPLE(track_writes);
SAMPLE(track_writes_rs);
SAMPLE(watch_faults);
