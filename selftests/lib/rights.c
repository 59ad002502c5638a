// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "lens.h"
#include "module.h"
#include "query.h"
#include "rights.h"
#include "shared.h"
#include "texts.h"
#include "util.h"

/*
 * The table of Documentation/rights.rst, word for word; scripts/guest/test_rights.py says if
 * it is not. The columns are in the order of enum rights_column.
 */
const struct rights_row rights_rows[] = {
	{ "root", { "yes", "yes", "yes", "yes", "0,1", "yes", "yes", "0,1", "yes", "yes" } },
	{ "pid-namespace", { "yes", "yes", "yes", "yes", "0,1", "yes", "yes", "0,1", "yes",
		"yes" } },
	{ "user", { "EACCES", "-", "-", "-", "-", "EACCES", "EACCES", "EACCES", "-", "EACCES" } },
	{ "given", { "EACCES", "yes", "EPERM", "EPERM", "EPERM", "EACCES", "EACCES", "EACCES",
		"yes", "EACCES" } },
	{ "setuid", { "EACCES", "yes", "EPERM", "EPERM", "EPERM", "EACCES", "EACCES", "EACCES",
		"yes", "EACCES" } },
	{ "open-node", { "yes", "yes", "EPERM", "EPERM", "EPERM", "EACCES", "EACCES", "EACCES",
		"-", "EACCES" } },
	{ "ptrace", { "EACCES", "yes", "EPERM", "EPERM", "EPERM", "EACCES", "EACCES", "EACCES",
		"yes", "EACCES" } },
	{ "rawio", { "EACCES", "yes", "yes", "EPERM", "EPERM", "EACCES", "EACCES", "EACCES",
		"yes", "EACCES" } },
	{ "sysadmin", { "EACCES", "yes", "EPERM", "yes", "0", "EACCES", "EACCES", "EACCES", "yes",
		"EACCES" } },
	{ "dropped", { "yes", "yes", "yes", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "yes",
		"yes" } },
	{ "uid-0", { "yes", "yes", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "yes",
		"yes" } },
	{ "user-namespace", { "yes", "yes", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM",
		"yes", "yes" } },
	{ "integrity", { "yes", "yes", "EPERM", "yes", "0,1", "yes", "EPERM", "0,1", "yes",
		"yes" } },
	{ "confidentiality", { "yes", "yes", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM",
		"EPERM", "yes" } },
};

const size_t nr_rights_rows = sizeof(rights_rows) / sizeof(*rights_rows);

void *rights_plant(uint64_t secret)
{
	uint64_t *pages = mmap(NULL, RIGHTS_PAGES * page_size(), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		abort();
	for (size_t i = 0; i < RIGHTS_PAGES * page_size() / sizeof(*pages); i++)
		pages[i] = secret;
	return pages;
}

int rights_load(void)
{
	char path[128], parameters[160] = "";
	size_t len = 0;

	if (!kernel_is_slow())
		len = sprintf(parameters, "kernel_walk=1 ");
	if (shared_function(path))
		snprintf(parameters + len, sizeof(parameters) - len, "pci=%s/2", basename(path));
	return module_load_anew(parameters);
}

bool rights_have_memory(void)
{
	char path[128];

	return module_file() && shared_function(path);
}

/* As large as the region that rights_load() has named. */
static int open_memory(void)
{
	struct mmlens_setup setup = device_words("ioremap,pfnmap", 0);
	int fd = device_open(O_RDWR);

	setup.region = 1;
	ioctl(fd, MMLENS_IOC_SETUP, &setup);
	return fd;
}

void rights_open(pid_t target, struct rights_given *given)
{
	given->device = device_open(O_RDWR);
	given->memory = open_memory();
	for (size_t i = 0; i < 8; i++) {
		given->texts[i] = text_open(given->device, process_texts[i].what, target);
		given->files[i] = process_texts[i].what == MMLENS_TEXT_QUERY ? query_open(target) :
				  lens_open(target, process_texts[i].name);
	}
}

#define NR_GIVEN (sizeof(struct rights_given) / sizeof(int))

void rights_close(struct rights_given *given)
{
	for (size_t i = 0; i < NR_GIVEN; i++)
		close(((int *)given)[i]);
	memset(given, -1, sizeof(*given));
}

/* Leaves this process the capabilities with these bits, of the first 32. */
static int keep_capabilities(unsigned int bits)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = bits, .permitted = bits },
	};

	return syscall(SYS_capset, &header, data);
}

/* Another user, who has these capabilities. */
static int become_user(unsigned int bits)
{
	if (setgroups(0, NULL) || prctl(PR_SET_KEEPCAPS, 1) ||
	    setresgid(RIGHTS_USER, RIGHTS_USER, RIGHTS_USER) ||
	    setresuid(RIGHTS_USER, RIGHTS_USER, RIGHTS_USER) || keep_capabilities(bits))
		return -1;
	return 0;
}

/* Sends descriptors; they are closed here. */
static int send_all(int socket, struct rights_given *given)
{
	char control[CMSG_SPACE(sizeof(*given))] = {}, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	*header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(*given)), .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(header), given, sizeof(*given));
	if (sendmsg(socket, &msg, 0) != 1)
		return -1;
	rights_close(given);
	return 0;
}

static int receive_all(int socket, struct rights_given *given)
{
	char control[CMSG_SPACE(sizeof(*given))] = {}, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};

	if (recvmsg(socket, &msg, 0) != 1 || msg.msg_controllen != sizeof(control))
		return -1;
	memcpy(given, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*given));
	return 0;
}

/* A copy of this program that is run as root by whoever runs it, see rights_table.c. */
#define HELPER "/tmp/rights_helper"

static int run_helper(struct rights_report *report)
{
	size_t len;
	char *program = read_file("/proc/self/exe", &len);
	int fd = open(HELPER, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	if (fd < 0 || write(fd, program, len) != (ssize_t)len || fchmod(fd, 04755) || close(fd))
		return -1;
	memset(&report->given, -1, sizeof(report->given));
	if (become_user(0))
		return -1;
	return execl(HELPER, HELPER, "--tries", NULL);
}

/* This program, as it is run by somebody else: by run_helper() or as a target. */
__attribute__((constructor)) static void as_another(int argc, char **argv)
{
	struct rights_report *report;

	if (argc != 2 || (strcmp(argv[1], "--tries") && strcmp(argv[1], "--wait")))
		return;
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED, RIGHTS_REPORT, 0);
	if (report == MAP_FAILED)
		_exit(1);
	rights_plant(report->secret);
	if (!strcmp(argv[1], "--tries")) {
		rights_open(0, &report->given);
		/* It has what it wanted, and is careful. */
		if (setresgid(RIGHTS_USER, RIGHTS_USER, RIGHTS_USER) ||
		    setresuid(RIGHTS_USER, RIGHTS_USER, RIGHTS_USER))
			_exit(2);
		rights_try_all(report);
	}
	raise(SIGSTOP);
	for (;;)
		pause();
}

/* Closed by who tries, when he is done: for number 1 of a namespace, which no SIGSTOP stops. */
static int told = -1;

/* As number 1 of a pid namespace of its own. */
static int enter_pid_namespace(struct rights_report *report)
{
	struct mmlens_query query = { .pid = report->targets[1] };
	int ends[2], asked, attached;
	pid_t child;
	char byte;

	if (pipe2(ends, O_CLOEXEC) || unshare(CLONE_NEWPID))
		return -1;
	child = child_fork();
	if (child < 0)
		return -1;
	if (child) {
		report->tried_by = child;
		close(ends[1]);
		(void)!read(ends[0], &byte, 1);
		/* It is there until who judges has seen its pages, and ends it. */
		raise(SIGSTOP);
		waitpid(child, NULL, 0);
		_exit(0);
	}
	told = ends[1];
	/* Numbers of outside are of nobody. */
	asked = ioctl_query(report->given.device, &query);
	attached = lens_attach(report->targets[1]);
	if (asked != -ESRCH || attached != -ESRCH)
		snprintf(report->wrong, sizeof(report->wrong),
			 "process %d of outside: QUERY %d, attach %d, not %d", report->targets[1],
			 asked, attached, -ESRCH);
	report->targets[1] = 1;
	report->nr_targets = 2;
	return 0;
}

static int become(const char *who, struct rights_report *report)
{
	int ends[2];

	if (!strcmp(who, "pid-namespace"))
		return enter_pid_namespace(report);
	if (!strcmp(who, "setuid"))
		return run_helper(report);
	if (!strcmp(who, "dropped"))
		return keep_capabilities(~(1u << CAP_SYS_ADMIN));
	if (!strcmp(who, "uid-0"))
		return keep_capabilities(0);
	if (!strcmp(who, "user-namespace"))
		return unshare(CLONE_NEWUSER);
	if (!strcmp(who, "ptrace"))
		return become_user(1u << CAP_SYS_PTRACE);
	if (!strcmp(who, "rawio"))
		return become_user(1u << CAP_SYS_RAWIO);
	if (!strcmp(who, "sysadmin"))
		return become_user(1u << CAP_SYS_ADMIN);
	if (!strcmp(who, "given")) {
		return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ||
		       send_all(ends[0], &report->given) || become_user(0) ||
		       receive_all(ends[1], &report->given);
	}
	if (!strcmp(who, "user") || !strcmp(who, "open-node")) {
		rights_close(&report->given);
		return become_user(0);
	}
	/* What the kernel is, not the one who asks. */
	return 0;
}

void rights_be(const char *who, struct rights_report *report)
{
	if (become(who, report))
		report->failed = errno;
	else
		rights_try_all(report);
	if (told >= 0)
		close(told);
}
