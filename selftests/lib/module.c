// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "module.h"
#include "util.h"

const char *module_file(void)
{
	static char installed[256];
	struct utsname uts;
	const char *const names[] = { getenv("MMLENS_KO"), "/run/mmlens/mmlens.ko",
				      installed, NULL };

	uname(&uts);
	snprintf(installed, sizeof(installed), "/lib/modules/%s/updates/rust/mmlens.ko",
		 uts.release);
	/* The first may be missing. */
	for (const char *const *name = names + !names[0]; *name; name++)
		if (!access(*name, R_OK))
			return *name;
	return NULL;
}

int module_load(const char *parameters)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC), ret;

	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "mmlens", O_NONBLOCK) ? -errno : 0;
}

int module_load_anew(const char *parameters)
{
	int ret;

	if (!module_file())
		return 0;
	ret = module_unload();
	return ret ? ret : module_load(parameters);
}

long module_uses(void)
{
	char *text = read_file("/proc/modules", NULL), *line, *next = text;
	long nr = -1;

	while ((line = strsep(&next, "\n")))
		if (!strncmp(line, "mmlens ", 7))
			sscanf(line, "mmlens %*u %ld", &nr);
	free(text);
	return nr;
}
