// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer is shared by whoever has its descriptor or a mapping of it: here a parent
 * and its child. And it can be taken away from all of them at once: then an access is
 * SIGBUS, as if the device had been unplugged, until it is given back.
 *
 *   make -C samples && ./samples/share_and_revoke
 */
#include <err.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../rust/uapi/mmlens.h"

static sigjmp_buf bus;

static void on_bus(int signal)
{
	siglongjmp(bus, signal);
}

/* One byte there and one back: whose turn it is. */
static void pass_turn(int peer)
{
	if (write(peer, "", 1) != 1)
		err(1, "write");
}

static void wait_turn(int peer)
{
	char byte;

	if (read(peer, &byte, 1) != 1)
		errx(1, "the other one is gone");
}

static void look(const char *who, const char *text)
{
	char copy[32] = "";

	if (sigsetjmp(bus, 1)) {
		printf("%s: SIGBUS, there is nothing any more\n", who);
	} else {
		/* With volatile accesses, so that each byte is read here and now. */
		for (size_t i = 0; i < sizeof(copy) - 1; i++)
			copy[i] = ((const volatile char *)text)[i];
		printf("%s: sees \"%s\"\n", who, copy);
	}
	fflush(stdout);
}

static void child(int peer, char *text)
{
	wait_turn(peer);
	look("child", text);
	strcpy(text, "hello back");
	pass_turn(peer);

	/* Revoked, and restored. */
	for (int i = 0; i < 2; i++) {
		wait_turn(peer);
		look("child", text);
		pass_turn(peer);
	}
	exit(0);
}

int main(void)
{
	struct mmlens_revoke revoke = { .size = sizeof(revoke) };
	int device = open("/dev/mmlens", O_RDWR | O_CLOEXEC), pair[2], status;
	pid_t pid;
	char *text;

	if (device < 0)
		err(1, "/dev/mmlens");
	text = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	if (text == MAP_FAILED)
		err(1, "mmap");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		err(1, "socketpair");
	signal(SIGBUS, on_bus);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		close(pair[0]);
		child(pair[1], text);
	}
	close(pair[1]);
	strcpy(text, "hello");
	pass_turn(pair[0]);
	wait_turn(pair[0]);
	look("parent", text);

	if (ioctl(device, MMLENS_IOC_REVOKE, &revoke))
		err(1, "MMLENS_IOC_REVOKE");
	printf("parent: took it away\n");
	look("parent", text);
	pass_turn(pair[0]);
	wait_turn(pair[0]);

	if (ioctl(device, MMLENS_IOC_RESTORE, &revoke))
		err(1, "MMLENS_IOC_RESTORE");
	printf("parent: gave it back\n");
	fflush(stdout);
	pass_turn(pair[0]);
	wait_turn(pair[0]);
	return waitpid(pid, &status, 0) < 0 || status;
}
