/* SPDX-License-Identifier: GPL-2.0 */
/* Threads and processes that use a buffer again and again, while a test does something to it. */
#ifndef MMLENS_SELFTESTS_RACE_H
#define MMLENS_SELFTESTS_RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Shared by all processes of a test. */
struct race {
	_Atomic bool go, stop;
	/* Odd from when REVOKE has returned until RESTORE is about to be called. */
	_Atomic unsigned long sequence;
	/* How many had got at the buffer when all were at work. */
	unsigned long begun;
	/* Accesses that got at the buffer, those that did not, and those that should not have. */
	_Atomic unsigned long reached, refused, holes;
};

struct racer;
/* One access to a page: 0 if it got at the buffer, else another number. */
typedef int (*race_act)(struct racer *me, size_t page);

struct race_way {
	race_act act;
	bool process;		/* not a thread */
};

struct racer {
	struct race *race;
	struct race_way way;
	int fd;
	char *map;		/* all of the buffer */
	size_t pages;
	unsigned int number;	/* which word of each page is its own to write: below 16 */
	unsigned int random, value;
	size_t step;
	char *own, *room;
	pthread_t thread;
	pid_t pid;
};

/* By the mapping; what is stored is larger each time. */
int race_load(struct racer *me, size_t page);
int race_store(struct racer *me, size_t page);
/* The page is taken out of the page table before. */
int race_drop(struct racer *me, size_t page);
/* By a mapping of its own that is moved before. For a process only: the place must stay free. */
int race_move(struct racer *me, size_t page);
/* By a mapping that is made now and goes away soon. */
int race_map(struct racer *me, size_t page);
/* By system calls. */
int race_pread(struct racer *me, size_t page);
int race_pwrite(struct racer *me, size_t page);
int race_vm_readv(struct racer *me, size_t page);

/* One that goes each of so many ways, on a buffer and a mapping of all of it; they are at work. */
struct racer *race_start(const struct race_way *ways, size_t nr, int fd, char *map);
/* Kills one that is a process in the middle of what it does, and starts it again. */
void race_kill(struct racer *me);
void race_again(struct racer *me);
/* Ends them; false if one did not end by itself. What they shared remains. */
bool race_end(struct racer *racers, size_t nr);

/* A child that waits in poll() already, and says by its status 0 that it got just @events. */
pid_t poll_in_child(int fd, short events);

#endif
