// SPDX-License-Identifier: GPL-2.0
/*
 * The files entries and pagetable, of memory of every kind: each in a process of its
 * own, where all is known of it, and all of them in one.
 */
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/compare_kind.h"
#include "lib/knobs.h"
#include "lib/util.h"
#include "lib/walk.h"

static const struct kind *wanted;

static void make_one(void *arg)
{
	wanted->make(arg);
}

FIXTURE(kind)
{
	struct memory *m;
	pid_t target;
};

FIXTURE_VARIANT(kind)
{
	const char *name;
};

FIXTURE_SETUP(kind)
{
	self->target = 0;
	self->m = mmap(NULL, sizeof(*self->m), RW, SHARED, -1, 0);
	ASSERT_NE(MAP_FAILED, self->m);
	wanted = kind_find(variant->name);
	ASSERT_NE(NULL, wanted);
}

FIXTURE_TEARDOWN(kind)
{
	if (self->m->other)
		kill(self->m->other, SIGKILL);
	if (self->target > 0) {
		lens_detach(self->target);
		target_end(self->target);
	}
	knobs_restore();
}

TEST_F_TIMEOUT(kind, is_shown, 300)
{
	if (wanted->prepare)
		wanted->prepare(self->m);
	if (!self->m->why[0]) {
		self->target = target_start(make_one, self->m);
		ASSERT_LT(0, self->target);
	}
	if (self->m->why[0])
		SKIP(return, "%s", self->m->why);
	/* First of all, is it what it is to be? */
	ASSERT_EQ(0, compare_kind_kernel(self->target, wanted, self->m))
		TH_LOG("%s", compare_message);
	ASSERT_EQ(0, lens_attach(self->target));
	EXPECT_EQ(0, compare_kind_entries(self->target, wanted, self->m))
		TH_LOG("%s", compare_message);
	if (!wanted->entry)
		EXPECT_EQ(0, compare_kind_hole(self->target, wanted, self->m))
			TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_entries(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_pagetable(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_smaps(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_walk(self->target)) TH_LOG("%s", compare_message);
	if (self->m->other) {
		ASSERT_EQ(0, lens_attach(self->m->other));
		EXPECT_EQ(0, compare_entries(self->m->other)) TH_LOG("%s", compare_message);
		EXPECT_EQ(0, compare_smaps(self->m->other)) TH_LOG("%s", compare_message);
		EXPECT_EQ(0, lens_detach(self->m->other));
	}
}

FIXTURE_VARIANT_ADD(kind, anon_written) { .name = "anon_written" };
FIXTURE_VARIANT_ADD(kind, anon_zero_page) { .name = "anon_zero_page" };
FIXTURE_VARIANT_ADD(kind, anon_shared_after_fork) { .name = "anon_shared_after_fork" };
FIXTURE_VARIANT_ADD(kind, anon_copied_after_fork) { .name = "anon_copied_after_fork" };
FIXTURE_VARIANT_ADD(kind, prot_none) { .name = "prot_none" };
FIXTURE_VARIANT_ADD(kind, prot_read) { .name = "prot_read" };
FIXTURE_VARIANT_ADD(kind, prot_exec) { .name = "prot_exec" };
FIXTURE_VARIANT_ADD(kind, mlocked) { .name = "mlocked" };
FIXTURE_VARIANT_ADD(kind, stack) { .name = "stack" };
FIXTURE_VARIANT_ADD(kind, droppable) { .name = "droppable" };
FIXTURE_VARIANT_ADD(kind, sealed) { .name = "sealed" };
FIXTURE_VARIANT_ADD(kind, ksm) { .name = "ksm" };

FIXTURE_VARIANT_ADD(kind, file_private_read) { .name = "file_private_read" };
FIXTURE_VARIANT_ADD(kind, file_private_written) { .name = "file_private_written" };
FIXTURE_VARIANT_ADD(kind, file_shared_read) { .name = "file_shared_read" };
FIXTURE_VARIANT_ADD(kind, file_shared_written) { .name = "file_shared_written" };
FIXTURE_VARIANT_ADD(kind, shmem) { .name = "shmem" };
FIXTURE_VARIANT_ADD(kind, memfd_shared) { .name = "memfd_shared" };
FIXTURE_VARIANT_ADD(kind, memfd_private) { .name = "memfd_private" };
FIXTURE_VARIANT_ADD(kind, memfd_secret) { .name = "memfd_secret" };
FIXTURE_VARIANT_ADD(kind, vdso) { .name = "vdso" };
FIXTURE_VARIANT_ADD(kind, vvar) { .name = "vvar" };
FIXTURE_VARIANT_ADD(kind, pci_registers) { .name = "pci_registers" };

FIXTURE_VARIANT_ADD(kind, thp_anon) { .name = "thp_anon" };
FIXTURE_VARIANT_ADD(kind, thp_zero_page) { .name = "thp_zero_page" };
FIXTURE_VARIANT_ADD(kind, thp_shmem) { .name = "thp_shmem" };
FIXTURE_VARIANT_ADD(kind, thp_mapped_by_pages) { .name = "thp_mapped_by_pages" };
FIXTURE_VARIANT_ADD(kind, mthp) { .name = "mthp" };
FIXTURE_VARIANT_ADD(kind, hugetlb_private) { .name = "hugetlb_private" };
FIXTURE_VARIANT_ADD(kind, hugetlb_shared) { .name = "hugetlb_shared" };
FIXTURE_VARIANT_ADD(kind, hugetlb_1g) { .name = "hugetlb_1g" };

FIXTURE_VARIANT_ADD(kind, untouched) { .name = "untouched" };
FIXTURE_VARIANT_ADD(kind, dropped) { .name = "dropped" };
FIXTURE_VARIANT_ADD(kind, swapped) { .name = "swapped" };
FIXTURE_VARIANT_ADD(kind, swapped_shared_after_fork) { .name = "swapped_shared_after_fork" };
FIXTURE_VARIANT_ADD(kind, swapped_prot_none) { .name = "swapped_prot_none" };
FIXTURE_VARIANT_ADD(kind, shmem_swapped) { .name = "shmem_swapped" };
FIXTURE_VARIANT_ADD(kind, guard) { .name = "guard" };
FIXTURE_VARIANT_ADD(kind, guard_over_pages) { .name = "guard_over_pages" };
FIXTURE_VARIANT_ADD(kind, hwpoison) { .name = "hwpoison" };

FIXTURE_VARIANT_ADD(kind, uffd_missing) { .name = "uffd_missing" };
FIXTURE_VARIANT_ADD(kind, uffd_wp_anon) { .name = "uffd_wp_anon" };
FIXTURE_VARIANT_ADD(kind, uffd_wp_shmem) { .name = "uffd_wp_shmem" };
FIXTURE_VARIANT_ADD(kind, uffd_wp_untouched) { .name = "uffd_wp_untouched" };
FIXTURE_VARIANT_ADD(kind, uffd_wp_dropped) { .name = "uffd_wp_dropped" };
FIXTURE_VARIANT_ADD(kind, uffd_wp_swapped) { .name = "uffd_wp_swapped" };
FIXTURE_VARIANT_ADD(kind, uffd_rwp) { .name = "uffd_rwp" };
FIXTURE_VARIANT_ADD(kind, uffd_poison) { .name = "uffd_poison" };
FIXTURE_VARIANT_ADD(kind, soft_dirty) { .name = "soft_dirty" };
FIXTURE_VARIANT_ADD(kind, soft_clean) { .name = "soft_clean" };
FIXTURE_VARIANT_ADD(kind, protection_key) { .name = "protection_key" };
FIXTURE_VARIANT_ADD(kind, numa_hint) { .name = "numa_hint" };
#ifdef __aarch64__
FIXTURE_VARIANT_ADD(kind, tagged) { .name = "tagged" };
FIXTURE_VARIANT_ADD(kind, branch_targets) { .name = "branch_targets" };
#endif

#define MAX_KINDS 64

FIXTURE(every_kind)
{
	struct memory *m;
	pid_t target;
};

FIXTURE_SETUP(every_kind)
{
	self->target = 0;
	self->m = mmap(NULL, MAX_KINDS * sizeof(*self->m), RW, SHARED, -1, 0);
	ASSERT_NE(MAP_FAILED, self->m);
	ASSERT_EQ(NULL, kind_at(MAX_KINDS));
}

FIXTURE_TEARDOWN(every_kind)
{
	for (int i = 0; i < MAX_KINDS; i++)
		if (self->m[i].other)
			kill(self->m[i].other, SIGKILL);
	if (self->target > 0) {
		lens_detach(self->target);
		target_end(self->target);
	}
	knobs_restore();
}

static void make_all(void *arg)
{
	struct memory *m = arg;

	for (size_t i = 0; kind_at(i); i++)
		if (!m[i].why[0])
			kind_at(i)->make(&m[i]);
}

/*
 * Later kinds change earlier ones: a fork shares all that there is, clear_refs cleans it.
 * So here is only compared what holds of any memory.
 */
TEST_F_TIMEOUT(every_kind, in_one_process, 300)
{
	for (size_t i = 0; kind_at(i); i++)
		if (kind_at(i)->prepare)
			kind_at(i)->prepare(&self->m[i]);
	self->target = target_start(make_all, self->m);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
	EXPECT_EQ(0, compare_vmas(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_entries(self->target)) TH_LOG("%s", compare_message);
	EXPECT_LT(2 * PAGES, compare_present);
	EXPECT_LT(2 * PAGES, compare_nonpresent);
	EXPECT_EQ(0, compare_pagetable(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_smaps(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_walk(self->target)) TH_LOG("%s", compare_message);
}

TEST_HARNESS_MAIN_WITH_SWAP
