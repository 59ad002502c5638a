// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "query.h"

int query_open(pid_t pid)
{
	char path[96];
	int fd;

	if (pid)
		snprintf(path, sizeof(path), LENS "/%d/query", pid);
	else
		snprintf(path, sizeof(path), LENS "/self/query");
	fd = open(path, O_RDWR);
	return fd < 0 ? -errno : fd;
}

static int ask(int fd, const char *format, va_list arguments)
{
	char text[256];
	int len = vsnprintf(text, sizeof(text), format, arguments);

	return write(fd, text, len) == len ? 0 : -errno;
}

int query_ask(int fd, const char *format, ...)
{
	va_list arguments;
	int ret;

	va_start(arguments, format);
	ret = ask(fd, format, arguments);
	va_end(arguments);
	return ret;
}

char *query(int fd, const char *format, ...)
{
	static char text[1 << 20];
	va_list arguments;
	size_t have = 0;
	ssize_t got;
	int ret;

	va_start(arguments, format);
	ret = ask(fd, format, arguments);
	va_end(arguments);
	if (ret)
		return NULL;
	while ((got = read(fd, text + have, sizeof(text) - have - 1)) > 0)
		have += got;
	text[have] = '\0';
	return got ? NULL : text;
}

char *query_line(char **answer)
{
	char *line;

	while ((line = strsep(answer, "\n")) && *line == '#')
		;
	return line && *line ? line : NULL;
}

const char *query_value(const char *answer, const char *name)
{
	static char value[1024];
	size_t len = strlen(name);

	for (const char *line = answer; *line; line += strcspn(line, "\n"), line += !!*line) {
		const char *s = line + len + 1;

		if (strncmp(line, name, len) || line[len] != ':')
			continue;
		s += strspn(s, " ");
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(s, "\n"), s);
		return value;
	}
	return NULL;
}
