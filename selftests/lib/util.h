/* SPDX-License-Identifier: GPL-2.0 */
/* Files as text, strict numbers, and children that can be looked at. */
#ifndef MMLENS_SELFTESTS_UTIL_H
#define MMLENS_SELFTESTS_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Words of memory advice that are younger than some C libraries. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

/* A whole file, with a NUL behind it, to be freed; NULL and errno. */
char *read_fd(int fd, size_t *len);
char *read_file(const char *path, size_t *len);

/* One write of a string; 0 or a negative errno. */
int write_file(const char *path, const char *text);

/* A number in sysfs or /proc/sys; -1 if there is none. */
long read_number(const char *path);
int write_number(const char *path, long value);

/* A port to who runs this guest, opened by its name; -1 if there is none. */
int host_port(const char *name);

/*
 * The next word of *s, with words separated by any number of spaces: cut out, and
 * *s moved behind it. NULL at the end of the line.
 */
char *next_word(char **s);

/* The whole word is a number of that base, without a sign or a prefix. */
bool parse_number(const char *word, int base, uint64_t *value);

/*
 * A kernel that checks itself at every step takes ten times as long, and keeps memory
 * that was freed for a while: tests of mere numbers do less there.
 */
bool kernel_is_slow(void);

/*
 * Of that many rounds, seconds or milliseconds, as many as this run is to spend: the percent
 * in the environment variable MMLENS_EFFORT, which may be more than 100; all of them without
 * it. Never less than one, so each case runs, however small the effort: only what is repeated
 * in the hope of a race, or for the sake of more, is worth scaling.
 */
unsigned long effort(unsigned long full);

/*
 * Pages with nothing mapped around them, since neighbours could become one VMA; at a
 * multiple of @align, a power of two. These abort where a test would make no sense.
 */
void *map_alone(int prot, int flags, int fd, size_t pages, off_t at);
void *map_aligned(int prot, int flags, size_t size, size_t align);
/* A new file of that many pages. */
int make_file(const char *name, size_t pages);

/* fork(); the child dies when its parent does, so that a test that fails leaves nothing behind. */
pid_t child_fork(void);
/* A child that runs @make, stops, and then waits to be killed; -1 if it died. */
pid_t target_start(void (*make)(void *arg), void *arg);
/* Lets a stopped child run on to its next target_stop(); -1 if it died. */
int target_continue(pid_t pid);
/* In the child: stop here. */
void target_stop(void);
/* A program of the system, found by PATH and stopped once it sleeps; -1 if there is none. */
pid_t target_exec(char *const argv[]);
void target_end(pid_t pid);

#endif
