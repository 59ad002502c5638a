// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"
#include "util.h"

char *read_fd(int fd, size_t *len)
{
	size_t room = 1 << 16, have = 0;
	char *text = malloc(room);
	ssize_t got;

	while (text && (got = read(fd, text + have, room - have - 1)) != 0) {
		if (got < 0) {
			int error = errno;

			free(text);
			errno = error;
			return NULL;
		}
		have += got;
		if (have + 1 == room) {
			char *larger = realloc(text, room *= 2);

			if (!larger)
				free(text);
			text = larger;
		}
	}
	if (text) {
		text[have] = '\0';
		if (len)
			*len = have;
	}
	return text;
}

char *read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY), error;
	char *text;

	if (fd < 0)
		return NULL;
	text = read_fd(fd, len);
	error = errno;
	close(fd);
	errno = error;
	return text;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

long read_number(const char *path)
{
	char *text = read_file(path, NULL);
	long value = text ? strtol(text, NULL, 10) : -1;

	free(text);
	return value;
}

int write_number(const char *path, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return write_file(path, text);
}

int host_port(const char *name)
{
	/* Before it are consoles, and what guest/start writes to. */
	for (int i = 0; i < 16; i++) {
		char path[64];
		char *text;
		bool found;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/vport0p%d/name", i);
		text = read_file(path, NULL);
		found = text && !strncmp(text, name, strlen(name)) && !strcmp(text + strlen(name), "\n");
		free(text);
		snprintf(path, sizeof(path), "/dev/vport0p%d", i);
		if (found)
			return open(path, O_RDWR | O_CLOEXEC);
	}
	return -1;
}

char *next_word(char **s)
{
	char *word;

	*s += strspn(*s, " ");
	if (!**s)
		return NULL;
	word = *s;
	*s += strcspn(*s, " ");
	if (**s)
		*(*s)++ = '\0';
	return word;
}

bool parse_number(const char *word, int base, uint64_t *value)
{
	const char *digits = base == 16 ? "0123456789abcdef" : "0123456789";

	if (!word || !*word || word[strspn(word, digits)])
		return false;
	errno = 0;
	*value = strtoull(word, NULL, base);
	return !errno;
}

bool kernel_is_slow(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

unsigned long effort(unsigned long full)
{
	const char *percent = getenv("MMLENS_EFFORT");
	uint64_t value = 100;

	if (percent && !parse_number(percent, 10, &value)) {
		fprintf(stderr, "MMLENS_EFFORT is not a percentage: %s\n", percent);
		exit(1);
	}
	full = full * value / 100;
	return full ? full : 1;
}

void *map_alone(int prot, int flags, int fd, size_t pages, off_t at)
{
	char *room = mmap(NULL, (pages + 2) * page_size(), PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *map = mmap(room + page_size(), pages * page_size(), prot, flags | MAP_FIXED, fd, at);

	if (map == MAP_FAILED)
		abort();
	return map;
}

void *map_aligned(int prot, int flags, size_t size, size_t align)
{
	char *room = mmap(NULL, size + 2 * align, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *at = (char *)(((uintptr_t)room + align) & ~(align - 1));
	void *map = mmap(at, size, prot, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (map == MAP_FAILED)
		abort();
	return map;
}

int make_file(const char *name, size_t pages)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, pages * page_size()))
		abort();
	return fd;
}

void target_stop(void)
{
	raise(SIGSTOP);
}

static int wait_stopped(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
		return 0;
	return -1;
}

pid_t child_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

pid_t target_start(void (*make)(void *arg), void *arg)
{
	pid_t pid = child_fork();

	if (!pid) {
		make(arg);
		target_stop();
		for (;;)
			pause();
	}
	if (pid > 0 && wait_stopped(pid))
		return -1;
	return pid;
}

int target_continue(pid_t pid)
{
	if (kill(pid, SIGCONT))
		return -1;
	return wait_stopped(pid);
}

pid_t target_exec(char *const argv[])
{
	int fds[2], error = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -1;
	pid = child_fork();
	if (!pid) {
		dup2(open("/dev/null", O_RDWR), STDIN_FILENO);
		dup2(STDIN_FILENO, STDOUT_FILENO);
		dup2(STDIN_FILENO, STDERR_FILENO);
		execvp(argv[0], argv);
		error = errno;
		_exit(write(fds[1], &error, sizeof(error)) < 0);
	}
	close(fds[1]);
	/* End of file: the exec closed it. */
	if (pid < 0 || read(fds[0], &error, sizeof(error)) != 0) {
		close(fds[0]);
		target_end(pid);
		return -1;
	}
	close(fds[0]);
	/* It has to start up; how long that takes does not matter. */
	for (int i = 0; i < 1000 && !strchr("SZ", proc_state(pid)); i++)
		usleep(10000);
	if (kill(pid, SIGSTOP) || wait_stopped(pid)) {
		target_end(pid);
		return -1;
	}
	return pid;
}

void target_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
