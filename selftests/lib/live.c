// SPDX-License-Identifier: GPL-2.0
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "live.h"
#include "proc.h"

/* Descriptors that are there after an exec. */
enum { COMMAND = 100, DONE = 101 };

static void become(int memory)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", memory);
	execl("/proc/self/exe", "lives", "--live", text, NULL);
	_exit(3);
}

static void *become_in_a_thread(void *arg)
{
	become(*(int *)arg);
	return NULL;
}

static void go_on(int memory)
{
	char *mark = mmap((void *)LIVE_MARK(memory), page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	int next = memory + 1;
	pthread_t thread;
	char command;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mark == MAP_FAILED)
		_exit(2);
	*mark = 1;
	while (write(DONE, "", 1) == 1 && read(COMMAND, &command, 1) == 1) {
		if (command == 'x')
			become(next);
		pthread_create(&thread, NULL, become_in_a_thread, &next);
		pause();
	}
	_exit(0);
}

void live(int memory, int command, int done)
{
	dup2(command, COMMAND);
	dup2(done, DONE);
	go_on(memory);
	abort();
}

/* After the exec. */
__attribute__((constructor)) static void live_again(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--live"))
		go_on(atoi(argv[2]));
}
