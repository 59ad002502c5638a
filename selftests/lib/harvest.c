// SPDX-License-Identifier: GPL-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harvest.h"

bool set_has(const __u64 *set, size_t page)
{
	return set[page / 64] >> page % 64 & 1;
}

void set_add(__u64 *set, size_t page)
{
	set[page / 64] |= 1ULL << page % 64;
}

__u64 set_count(const __u64 *set)
{
	__u64 pages = 0;

	for (size_t page = 0; page < SET_PAGES; page++)
		pages += set_has(set, page);
	return pages;
}

/* A part of a set: from page @first on, as a bitmap of a harvest has it. */
static void part(const __u64 *set, size_t first, size_t pages, __u64 *bits)
{
	memset(bits, 0, SET_WORDS * sizeof(*bits));
	for (size_t page = 0; page < pages; page++)
		if (set_has(set, first + page))
			set_add(bits, page);
}

void set_choose(unsigned int seed, __u64 *set)
{
	memset(set, 0, SET_WORDS * sizeof(*set));
	for (size_t page = 0; page < SET_PAGES; page++)
		if (rand_r(&seed) % 3 == 0)
			set_add(set, page);
	set_add(set, 63);
	set_add(set, 64);
	set_add(set, SET_PAGES - 1);
}

void write_pages(char *map, const __u64 *set)
{
	for (size_t page = 0; page < SET_PAGES; page++)
		if (set_has(set, page))
			map[page * page_size()]++;
}

void read_pages(const char *map)
{
	for (size_t page = 0; page < SET_PAGES; page++)
		(void)*(volatile const char *)(map + page * page_size());
}

bool harvest_tells(int fd, size_t first, size_t pages, unsigned int flags, const __u64 *set)
{
	__u64 bits[SET_WORDS + 1], wanted[SET_WORDS], dirty = ~0ULL;
	size_t words = (pages + 63) / 64;
	int error;

	memset(bits, 0xa5, sizeof(bits));
	part(set, first, pages, wanted);
	error = device_dirty(fd, first, pages, flags, bits, &dirty);
	if (!error && dirty == set_count(wanted) && bits[words] == 0xa5a5a5a5a5a5a5a5 &&
	    !memcmp(bits, wanted, words * sizeof(*bits)))
		return true;
	fprintf(stderr, "# error %d, %llu pages and not %llu:", error, dirty, set_count(wanted));
	for (size_t word = 0; word < words; word++)
		fprintf(stderr, " %016llx/%016llx", bits[word], wanted[word]);
	fprintf(stderr, "\n");
	return false;
}

bool were_dirty(int fd, const __u64 *set)
{
	static const __u64 none[SET_WORDS];
	__u64 dirty = ~0ULL;

	return device_info(fd).dirty_pages == set_count(set) &&
	       !device_dirty(fd, 0, SET_PAGES, MMLENS_DIRTY_PEEK, NULL, &dirty) &&
	       dirty == set_count(set) &&
	       harvest_tells(fd, 0, SET_PAGES, MMLENS_DIRTY_PEEK, set) &&
	       harvest_tells(fd, 0, SET_PAGES, 0, set) &&
	       harvest_tells(fd, 0, SET_PAGES, 0, none) && !device_info(fd).dirty_pages;
}

bool was_dirty(int fd, size_t page)
{
	__u64 set[SET_WORDS] = {};

	set_add(set, page);
	return were_dirty(fd, set);
}

bool is_clean(int fd)
{
	static const __u64 none[SET_WORDS];

	return were_dirty(fd, none);
}

bool harvest_follow(int fd, const char *map, char *shadow, size_t first)
{
	for (int half = 0; half < 2; half++) {
		size_t from = half ? 0 : first, pages = half ? first : SET_PAGES - first;
		__u64 bits[SET_WORDS];

		if (device_dirty(fd, from, pages, 0, bits, NULL))
			return false;
		for (size_t page = 0; page < pages; page++)
			if (set_has(bits, page))
				memcpy(shadow + (from + page) * page_size(),
				       map + (from + page) * page_size(), page_size());
	}
	return true;
}

struct harvester {
	pthread_t id;
	pthread_barrier_t *both;
	int fd, error;
	__u64 *bits;
};

static void *harvest_all(void *arg)
{
	struct harvester *me = arg;

	pthread_barrier_wait(me->both);
	me->error = device_dirty(me->fd, 0, SET_PAGES, 0, me->bits, NULL);
	return NULL;
}

bool harvest_by_two(int fd, __u64 told[2][SET_WORDS])
{
	struct harvester two[2];
	pthread_barrier_t both;
	bool good = true;

	pthread_barrier_init(&both, NULL, 2);
	for (int i = 0; i < 2; i++) {
		two[i] = (struct harvester) { .both = &both, .fd = fd, .bits = told[i] };
		if (pthread_create(&two[i].id, NULL, harvest_all, &two[i]))
			abort();
	}
	for (int i = 0; i < 2; i++)
		good = !pthread_join(two[i].id, NULL) && !two[i].error && good;
	return good;
}
