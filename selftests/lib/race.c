// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "race.h"
#include "util.h"

/* Each thread has signals of its own, so access_signal() will not do. */
static __thread sigjmp_buf after_access;

static void on_signal(int signal)
{
	siglongjmp(after_access, signal);
}

static volatile unsigned int *word_at(struct racer *me, char *map, size_t page)
{
	return (volatile unsigned int *)(map + page * page_size()) + me->number;
}

static int load(struct racer *me, char *map, size_t page)
{
	int signal = sigsetjmp(after_access, 1);

	if (!signal)
		(void)*word_at(me, map, page);
	return signal;
}

static int store(struct racer *me, char *map, size_t page)
{
	int signal = sigsetjmp(after_access, 1);

	if (!signal)
		*word_at(me, map, page) = ++me->value;
	return signal;
}

int race_load(struct racer *me, size_t page)
{
	return load(me, me->map, page);
}

int race_store(struct racer *me, size_t page)
{
	return store(me, me->map, page);
}

int race_drop(struct racer *me, size_t page)
{
	madvise(me->map + page * page_size(), page_size(), MADV_DONTNEED);
	return store(me, me->map, page);
}

int race_move(struct racer *me, size_t page)
{
	size_t size = me->pages * page_size();

	if (!me->own) {
		me->room = mmap(NULL, 2 * size, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		/* Not while the buffer is revoked. */
		me->own = mmap(me->room, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			       me->fd, 0);
		if (me->own == MAP_FAILED) {
			munmap(me->room, 2 * size);
			me->own = NULL;
			return 1;
		}
	}
	/* Now and then, so that there is something to be moved. */
	if (++me->step % 8 == 0) {
		char *to = me->room + (me->own == me->room) * size;

		me->own = mremap(me->own, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		if (me->own == MAP_FAILED)
			abort();
	}
	return store(me, me->own, page);
}

int race_map(struct racer *me, size_t page)
{
	size_t size = me->pages * page_size();

	if (!me->own) {
		me->own = device_map(me->fd, PROT_READ | PROT_WRITE, MAP_SHARED, me->pages, 0);
		if (me->own != MAP_FAILED)
			return 0;
		me->own = NULL;
		return 1;
	}
	if (++me->step % 8 == 0) {
		munmap(me->own, size);
		me->own = NULL;
		return 1;
	}
	return me->step & 1 ? load(me, me->own, page) : store(me, me->own, page);
}

static off_t offset_of(struct racer *me, size_t page)
{
	return page * page_size() + me->number * sizeof(int);
}

int race_pread(struct racer *me, size_t page)
{
	unsigned int word;

	return pread(me->fd, &word, sizeof(word), offset_of(me, page)) != sizeof(word);
}

int race_pwrite(struct racer *me, size_t page)
{
	unsigned int word = ++me->value;

	return pwrite(me->fd, &word, sizeof(word), offset_of(me, page)) != sizeof(word);
}

int race_vm_readv(struct racer *me, size_t page)
{
	unsigned int word;
	struct iovec local = { .iov_base = &word, .iov_len = sizeof(word) };
	struct iovec remote = {
		.iov_base = (void *)word_at(me, me->map, page), .iov_len = sizeof(word),
	};

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != sizeof(word);
}

static void *run(void *arg)
{
	struct racer *me = arg;

	me->random = me->number + 1;
	while (!atomic_load(&me->race->go))
		usleep(1000);
	while (!atomic_load(&me->race->stop)) {
		unsigned long before = atomic_load(&me->race->sequence), after;
		int refused;

		me->random = me->random * 1664525 + 1013904223;
		refused = me->way.act(me, (me->random >> 8) % me->pages);
		after = atomic_load(&me->race->sequence);
		atomic_fetch_add(refused ? &me->race->refused : &me->race->reached, 1);
		/* It was revoked all the time. */
		if (!refused && before == after && before & 1)
			atomic_fetch_add(&me->race->holes, 1);
		/* There are more racers than processors, and a test that wants its turn. */
		if (me->random >> 29 == 0)
			sched_yield();
	}
	return NULL;
}

static void start(struct racer *me)
{
	me->own = NULL;
	me->pid = me->way.process ? child_fork() : 0;
	if (!me->way.process) {
		if (pthread_create(&me->thread, NULL, run, me))
			abort();
	} else if (!me->pid) {
		run(me);
		_exit(0);
	}
}

struct racer *race_start(const struct race_way *ways, size_t nr, int fd, char *map)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct racer *racers = calloc(nr, sizeof(*racers));
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!racers || race == MAP_FAILED || sigaction(SIGBUS, &action, NULL))
		abort();
	for (size_t i = 0; i < nr; i++) {
		racers[i] = (struct racer) {
			.race = race, .way = ways[i], .fd = fd, .map = map, .number = i,
			.pages = device_info(fd).bytes / page_size(),
		};
		start(&racers[i]);
	}
	/* Those that run already would not let a slow kernel start the others for seconds. */
	atomic_store(&race->go, true);
	while (atomic_load(&race->reached) < racers->pages)
		usleep(1000);
	race->begun = atomic_load(&race->reached);
	return racers;
}

void race_kill(struct racer *me)
{
	kill(me->pid, SIGKILL);
	waitpid(me->pid, NULL, 0);
}

void race_again(struct racer *me)
{
	start(me);
}

bool race_end(struct racer *racers, size_t nr)
{
	bool good = true;

	atomic_store(&racers->race->stop, true);
	for (struct racer *me = racers; me < racers + nr; me++) {
		int status = 0;

		if (me->way.process)
			good &= waitpid(me->pid, &status, 0) == me->pid && !status;
		else
			good &= !pthread_join(me->thread, NULL);
		/* What a thread has mapped is of this process. */
		if (!me->way.process && me->own)
			munmap(me->own, me->pages * page_size());
	}
	return good;
}

pid_t poll_in_child(int fd, short events)
{
	struct pollfd polled = { .fd = fd, .events = events };
	pid_t pid = fork();

	if (!pid)
		_exit(poll(&polled, 1, 60000) != 1 || polled.revents != events);
	while (proc_state(pid) != 'S')
		usleep(100);
	return pid;
}
