// SPDX-License-Identifier: GPL-2.0
/* Random programs on a buffer and its mappings: nothing is lost, and nothing is anywhere else. */
#include <fcntl.h>
#include <pthread.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/fuzz_ops.h"
#include "lib/module.h"
#include "lib/util.h"

/* Programs that have found something: add the MMLENS_SEED that a failure prints. */
static const uint64_t kept[] = { 1, 1093981499, 1795794425726048 };

#define OPS 160
#define OPS_TOGETHER 100

static const struct {
	fuzz_op op;
	unsigned int weight;
} ops[] = {
	{ op_load, 20 }, { op_store, 24 }, { op_pread, 8 }, { op_pwrite, 8 }, { op_splice, 4 },
	{ op_map, 18 }, { op_unmap, 5 }, { op_protect, 8 }, { op_advise, 12 }, { op_lock, 3 },
	{ op_move, 8 }, { op_resize, 3 }, { op_remap, 3 }, { op_sync, 2 }, { op_uffd, 1 },
	{ op_mem, 10 }, { op_vm, 8 }, { op_fork, 2 }, { op_trace, 2 },
	{ op_info, 5 }, { op_harvest, 8 }, { op_revoke, 5 }, { op_events, 3 }, { op_look, 4 },
};

static fuzz_op any_op(struct fuzz *f)
{
	unsigned int sum = 0, choice, i = 0;

	for (size_t j = 0; j < ARRAY_SIZE(ops); j++)
		sum += ops[j].weight;
	for (choice = fuzz_below(f, sum); choice >= ops[i].weight; i++)
		choice -= ops[i].weight;
	return ops[i].op;
}

struct before {
	size_t buffers;
	long uses;
};

FIXTURE(fuzz_device)
{
	struct before before;
};

static const char *after(void *arg)
{
	const struct before *before = arg;

	if (fuzz_buffers() != before->buffers)
		return "a buffer is left";
	return module_uses() != before->uses ? "the module is still used" : NULL;
}

FIXTURE_SETUP(fuzz_device)
{
	self->before.buffers = fuzz_buffers();
	self->before.uses = module_uses();
}

FIXTURE_TEARDOWN(fuzz_device)
{
}

static void alone(struct fuzz *f, void *arg)
{
	struct shadow s;

	(void)arg;
	shadow_make(&s, f);
	op_map(&s);
	for (int i = 0; i < OPS; i++)
		any_op(f)(&s);
	shadow_check(&s);
	device_restore(s.fd);
	s.revoked = false;
	shadow_check(&s);
	op_info(&s);
	/* Nothing is mapped any more, and all of it is still there. */
	if (fuzz_chance(f, 50)) {
		munmap(s.arena, s.places * s.page);
		shadow_drop(&s, 0, s.places);
		s.vmas = 0;
		op_info(&s);
		shadow_check(&s);
	}
}

TEST_F_TIMEOUT(fuzz_device, by_one_thread, 1800)
{
	const struct fuzz_programs programs = {
		.run = alone, .after = after, .arg = &self->before, .kept = kept,
		.nr_kept = ARRAY_SIZE(kept), .milliseconds = 30000,
	};

	EXPECT_TRUE(fuzz_run(&programs));
}

/* A word at the beginning of each page is each thread's own, and written by write() only. */
static void op_word(struct shadow *s)
{
	uint32_t page = fuzz_below(s->f, s->pages), word = fuzz_bits(s->f), seen;
	off_t at = page * s->page + 4 * s->number;

	if (fuzz_chance(s->f, 50) && pwrite(s->fd, &word, 4, at) == 4)
		s->words[page] = word;
	/* It may be revoked. */
	if (pread(s->fd, &seen, 4, at) == 4)
		FUZZ_EXPECT(s->f, seen == s->words[page], "page %u: %x, not %x", page, seen,
			    s->words[page]);
}

struct twin {
	struct shadow shadow;
	struct fuzz fuzz;
};

static void *run_twin(void *arg)
{
	struct twin *me = arg;

	for (int i = 0; i < OPS_TOGETHER; i++)
		(fuzz_chance(&me->fuzz, 10) ? op_word : any_op(&me->fuzz))(&me->shadow);
	return NULL;
}

/* Two threads of one process: what one maps the other unmaps. */
static void together(struct fuzz *f, void *arg)
{
	struct twin twins[2];
	pthread_t threads[2];
	struct shadow s;
	char *map;

	(void)arg;
	shadow_make(&s, f);
	op_map(&s);
	for (int i = 0; i < 2; i++) {
		twins[i].fuzz = (struct fuzz) { .seed = f->seed, .state = fuzz_bits(f) };
		shadow_twin(&twins[i].shadow, &s, &twins[i].fuzz, i);
	}
	for (int i = 0; i < 2; i++)
		FUZZ_EXPECT(f, !pthread_create(&threads[i], NULL, run_twin, &twins[i]), "");
	/* Now and then it ends in the middle of all that. */
	if (fuzz_chance(f, 20)) {
		usleep(fuzz_below(f, 100000));
		_exit(0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	device_restore(s.fd);
	for (int i = 0; i < 2; i++)
		for (unsigned int left = 50; left; left--)
			op_word(&twins[i].shadow);
	shadow_sync(&s);
	FUZZ_EXPECT(f, device_info(s.fd).mappings == s.vmas, "%u", s.vmas);
	/* No page is left locked. */
	map = device_map(s.fd, PROT_READ | PROT_WRITE, MAP_SHARED, s.pages, 0);
	FUZZ_EXPECT(f, map != MAP_FAILED, "%d", errno);
	fill_pages(map, s.pages, f->seed);
	FUZZ_EXPECT(f, pages_have(map, s.pages, f->seed), "a write is lost");
}

TEST_F_TIMEOUT(fuzz_device, by_two_threads, 1800)
{
	const struct fuzz_programs programs = {
		.run = together, .after = after, .arg = &self->before, .kept = kept,
		.nr_kept = ARRAY_SIZE(kept), .milliseconds = 15000,
	};

	EXPECT_TRUE(fuzz_run(&programs));
}

TEST_HARNESS_MAIN
