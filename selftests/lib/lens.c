// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lens.h"
#include "lens_parse.h"

char lens_error[512];

int lens_attach(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", pid);
	return write_file(LENS "/attach", text);
}

int lens_detach(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", pid);
	return write_file(LENS "/detach", text);
}

int lens_open(pid_t pid, const char *file)
{
	char path[96];
	int fd;

	if (pid)
		snprintf(path, sizeof(path), LENS "/%d/%s", pid, file);
	else
		snprintf(path, sizeof(path), LENS "/self/%s", file);
	fd = open(path, O_RDONLY);
	return fd < 0 ? -errno : fd;
}

char *lens_read(pid_t pid, const char *file, size_t *len)
{
	int fd = lens_open(pid, file), error;
	char *text;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	text = read_fd(fd, len);
	error = errno;
	close(fd);
	errno = error;
	return text;
}

static bool parse_vma(char *s, struct lens_vma *vma)
{
	char *word, *device[3];
	uint64_t major, minor;

	if (!parse_range(next_word(&s), &vma->start, &vma->end) ||
	    !parse_perm(next_word(&s), vma->perm) ||
	    !parse_number(next_word(&s), 10, &vma->pages) ||
	    !parse_number(next_word(&s), 16, &vma->pgoff))
		return false;
	word = next_word(&s);
	for (int i = 0; i < 3; i++)
		device[i] = strsep(&word, ":");
	if (word || !parse_number(device[0], 16, &major) || !parse_number(device[1], 16, &minor) ||
	    !parse_number(device[2], 10, &vma->ino))
		return false;
	vma->major = major;
	vma->minor = minor;
	word = next_word(&s);
	if (!word || (strcmp(word, "anon") && strcmp(word, "-")))
		return false;
	vma->anon = word[0] == 'a';
	if (!parse_address(next_word(&s), &vma->prot))
		return false;
	vma->vm_ops = next_word(&s);
	vma->flags = next_word(&s);
	if (!vma->flags || !lens_parse_words(&s, vma))
		return false;
	vma->name = s;
	return true;
}

int lens_vmas_parse(char *text, struct lens_vmas *vmas)
{
	memset(vmas, 0, sizeof(*vmas));
	vmas->text = text;
	while (text && *text) {
		char *line = strsep(&text, "\n");

		if (*line == '#')
			continue;
		vmas->vma = grow(vmas->vma, vmas->nr, sizeof(*vmas->vma));
		snprintf(lens_error, sizeof(lens_error), "vmas: %s", line);
		if (!text || !parse_vma(line, &vmas->vma[vmas->nr++]))
			return -EBADMSG;
	}
	return 0;
}

int lens_vmas(pid_t pid, struct lens_vmas *vmas)
{
	char *text = lens_read(pid, "vmas", NULL);

	memset(vmas, 0, sizeof(*vmas));
	return text ? lens_vmas_parse(text, vmas) : -errno;
}

void lens_vmas_free(struct lens_vmas *vmas)
{
	free(vmas->vma);
	free(vmas->text);
	memset(vmas, 0, sizeof(*vmas));
}

bool lens_has_flag(const struct lens_vma *vma, const char *name)
{
	return has_name(vma->flags, name, '|');
}

char *lens_mm(pid_t pid, const char *name)
{
	char *text = lens_read(pid, "mm", NULL), *next = text, *value = NULL;
	size_t len = strlen(name);

	while (next && *next && !value) {
		char *line = strsep(&next, "\n");

		if (!strncmp(line, name, len) && line[len] == ':')
			value = strdup(line + len + 1 + strspn(line + len + 1, " "));
	}
	free(text);
	return value;
}

uint64_t lens_mm_number(pid_t pid, const char *name)
{
	char *value = lens_mm(pid, name);
	uint64_t number = value ? strtoull(value, NULL, 0) : UINT64_MAX;

	free(value);
	return number;
}

bool lens_mm_has(pid_t pid, const char *name, const char *flag)
{
	char *value = lens_mm(pid, name);
	bool has = value && has_name(value, flag, '|');

	free(value);
	return has;
}

/* The length of "name" or, of what there may be several, "name key"; 0 if it is neither. */
static size_t mm_name(const char *line)
{
	static const char small[] = "abcdefghijklmnopqrstuvwxyz_";
	size_t len = strspn(line, small);

	if (!strncmp(line, "auxv ", 5))
		len = 5 + strspn(line + 5, "ATBCDEFGHIJKLMNOPQRSUVWXYZ_0123456789");
	else if (!strncmp(line, "shared_with ", 12))
		len = 12 + strspn(line + 12, "0123456789");
	return len && line[len] == ':' && line[len + 1] == ' ' ? len : 0;
}

int lens_mm_check(pid_t pid)
{
	char *text = lens_read(pid, "mm", NULL);

	for (char *line = text, *end; line && *line; line = end + 1) {
		size_t len = mm_name(line);

		end = strchr(line, '\n');
		snprintf(lens_error, sizeof(lens_error), "mm: %.*s",
			 (int)(end ? end - line : -1), line);
		if (!end || (*line != '#' && !len) || end[-1] == ' ')
			goto bad;
		for (const char *other = text; len && other < line; other = strchr(other, '\n') + 1)
			if (!strncmp(other, line, len + 1))
				goto bad;
	}
	free(text);
	return text ? 0 : -errno;
bad:
	free(text);
	return -EBADMSG;
}
