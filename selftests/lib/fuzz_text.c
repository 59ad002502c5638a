// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz_text.h"
#include "lens.h"

#define GUARD 0xa5
#define LARGEST (16UL << 10)

static const char *const of_process[] = { FUZZ_TEXTS };

static const char *const of_none[] = {
	"targets", "buffers", "kernel/layout", "kernel/registers", "kernel/own",
	"kernel/pagetable",
};

#define NR(array) (sizeof(array) / sizeof(*(array)))

char *fuzz_text_all(int fd, size_t *len)
{
	size_t room = 1 << 18, have = 0;
	char *text = malloc(room);
	ssize_t got;

	while (text && (got = pread(fd, text + have, room - have, have)) > 0) {
		have += got;
		if (have == room)
			text = realloc(text, room *= 2);
	}
	if (!text || got < 0) {
		free(text);
		return NULL;
	}
	text[have] = '\0';
	*len = have;
	return text;
}

bool fuzz_text_open(struct fuzz *f, pid_t pid, struct fuzz_text *file)
{
	unsigned int number = fuzz_below(f, NR(of_process));
	const char *name = of_process[number];
	int flags = O_RDONLY | O_CLOEXEC;

	*file = (struct fuzz_text) { .goal = FUZZ_GOOD_OTHER };
	if (fuzz_chance(f, 70)) {
		snprintf(file->name, sizeof(file->name), LENS "/%d/%s", pid, name);
		file->stable = strcmp(name, "query");
		file->goal = number;
	} else if (fuzz_chance(f, 50)) {
		snprintf(file->name, sizeof(file->name), LENS "/self/%s", name);
	} else {
		snprintf(file->name, sizeof(file->name), LENS "/%s",
			 of_none[fuzz_below(f, NR(of_none))]);
		/* The last of them is there only if the module was told so. */
		if (access(file->name, F_OK))
			snprintf(file->name, sizeof(file->name), LENS "/kernel/own");
	}
	if (!strcmp(name, "query") && strstr(file->name, "query"))
		flags = O_RDWR | O_CLOEXEC;
	file->fd = open(file->name, flags);
	return file->fd >= 0;
}

void fuzz_text_close(struct fuzz_text *file)
{
	close(file->fd);
	free(file->text);
	*file = (struct fuzz_text) { .fd = -1 };
}

/*
 * These bytes are at @pos, but for the number in a line that changes with nobody doing anything: a
 * processor that runs a kernel thread on the mm holds a reference to it, for a moment.
 */
static bool is_piece(const struct fuzz_text *file, size_t pos, const char *bytes, size_t size)
{
	static const char key[] = "\nmm_count:";
	const char *line = memmem(file->text, file->len, key, sizeof(key) - 1);
	const char *end = line ? memchr(line + 1, '\n', file->text + file->len - line - 1) : NULL;

	if (pos + size > file->len)
		return false;
	for (size_t i = 0; i < size; i++) {
		const char *byte = file->text + pos + i;

		if (*byte != bytes[i] && !(end && byte > line && byte < end))
			return false;
	}
	return true;
}

/* These bytes are at @pos, or the text is not what it was. */
static void compare(struct fuzz *f, struct fuzz_text *file, size_t pos, const char *bytes,
		    size_t size)
{
	size_t len, same = 0;
	char *again;

	if (file->text && is_piece(file, pos, bytes, size))
		return;
	again = fuzz_text_all(file->fd, &len);
	FUZZ_EXPECT(f, again, "%s: %d", file->name, errno);
	while (same < size && pos + same < len && bytes[same] == again[pos + same])
		same++;
	/* The kernel may have moved a page meanwhile; or this is the first time. */
	FUZZ_EXPECT(f, !file->text || len != file->len || memcmp(again, file->text, len),
		    "%s: %zu + %zu of %zu: at %zu '%.*s', not '%.40s'", file->name, pos, size, len,
		    pos + same, (int)(size - same < 40 ? size - same : 40), bytes + same,
		    pos + same < len ? again + pos + same : "");
	free(file->text);
	file->text = again;
	file->len = len;
}

static void check(struct fuzz *f, struct fuzz_text *file, off_t pos, const char *bytes,
		  size_t size, ssize_t got)
{
	FUZZ_EXPECT(f, got <= (ssize_t)size, "%s: %zd of %zu", file->name, got, size);
	if (got > 0)
		fuzz_good(file->goal);
	for (ssize_t i = 0; i < got; i++)
		FUZZ_EXPECT(f, bytes[i] == '\n' || (bytes[i] >= ' ' && bytes[i] < 0x7f),
			    "%s: byte %#x", file->name, bytes[i]);
	for (size_t i = got < 0 ? 0 : got; i < size + 64; i++)
		FUZZ_EXPECT(f, (unsigned char)bytes[i] == GUARD, "%s: %zd: byte %zu", file->name,
			    got, i);
	if (file->stable && got > 0)
		compare(f, file, pos, bytes, got);
	/* A piece is never empty before the end. */
	if (file->stable && !got && size && pos >= 0 && file->text)
		FUZZ_EXPECT(f, (size_t)pos >= file->len, "%s: nothing at %zd", file->name,
			    (ssize_t)pos);
}

static off_t any_pos(struct fuzz *f, const struct fuzz_text *file)
{
	if (fuzz_chance(f, 10))
		return fuzz_number(f);
	return fuzz_below(f, file->len ? file->len + 100 : 5000);
}

/* Half of it where nothing can be written. */
static void read_badly(struct fuzz *f, struct fuzz_text *file)
{
	ssize_t got = pread(file->fd, (void *)fuzz_address(f), fuzz_from(f, 1, 100), 0);

	FUZZ_EXPECT(f, got <= 0, "%s: %zd", file->name, got);
}

static void seek(struct fuzz *f, struct fuzz_text *file, bool is_taken)
{
	off_t to = any_pos(f, file), got;
	int whence = fuzz_chance(f, 80) ? SEEK_SET : fuzz_below(f, 7);

	got = lseek(file->fd, to, whence);
	if (whence == SEEK_SET && !is_taken)
		FUZZ_EXPECT(f, got == (to < 0 ? -1 : to), "%s: to %zd: %zd %d", file->name,
			    (ssize_t)to, (ssize_t)got, errno);
	if (whence > SEEK_CUR)
		FUZZ_EXPECT(f, got == -1 && (errno == EINVAL || (is_taken && errno == EIO)),
			    "%s: %d", file->name, errno);
}

void fuzz_text_read(struct fuzz *f, struct fuzz_text *file, bool is_taken)
{
	static __thread char bytes[LARGEST + 64];
	size_t size = fuzz_chance(f, 80) ? fuzz_below(f, 700) : fuzz_below(f, LARGEST);
	off_t pos = any_pos(f, file);
	struct iovec parts[2];
	bool is_none;
	ssize_t got;

	memset(bytes, GUARD, size + 64);
	switch (fuzz_below(f, 10)) {
	case 0:
		read_badly(f, file);
		return;
	case 1:
	case 2:
		seek(f, file, is_taken);
		return;
	case 3:
	case 4:
	case 5:
		pos = lseek(file->fd, 0, SEEK_CUR);
		got = read(file->fd, bytes, size);
		/* It goes on where it has ended. */
		if (!is_taken && got >= 0)
			FUZZ_EXPECT(f, lseek(file->fd, 0, SEEK_CUR) == pos + got, "%s",
				    file->name);
		break;
	case 6:
		parts[0] = (struct iovec) { bytes, size / 3 };
		parts[1] = (struct iovec) { bytes + size / 3, size - size / 3 };
		got = preadv(file->fd, parts, 2, pos);
		break;
	case 7: {
		int fds[2];

		/* There is no such thing; it must not be anything else either. */
		if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
			return;
		got = splice(file->fd, NULL, fds[1], NULL, size + 1, SPLICE_F_NONBLOCK);
		FUZZ_EXPECT(f, is_taken || (got == -1 && errno == EINVAL), "%s: %zd", file->name,
			    got);
		close(fds[0]);
		close(fds[1]);
		return;
	}
	default:
		got = pread(file->fd, bytes, size, pos);
	}
	/* No such range is a range. */
	is_none = pos < 0 || pos > INT64_MAX - (off_t)size;
	if (!is_taken)
		FUZZ_EXPECT(f, got >= 0 || (is_none && errno == EINVAL), "%s: at %zd: %d",
			    file->name, (ssize_t)pos, errno);
	else
		FUZZ_EXPECT(f, got >= 0 || errno == EIO || (is_none && errno == EINVAL),
			    "%s: %d", file->name, errno);
	check(f, file, pos, bytes, size, got);
}

size_t fuzz_words(struct fuzz *f, pid_t pid, bool query, char *text, size_t room)
{
	static const char *const asked[] = {
		"find_vma", "find_vma_prev", "find_vma_intersection", "gap", "translate",
		"explain", "rmap", "help", "",
	};
	static const char *const spaces[] = { "", " ", "\n", "\t ", "  ", "0", "-", "+", "x" };
	size_t len = 0;

	if (query) {
		len = snprintf(text, room, "%s", asked[fuzz_below(f, NR(asked))]);
		for (unsigned int left = fuzz_below(f, 4); left; left--)
			len += snprintf(text + len, room - len, " %s%llx",
					fuzz_chance(f, 30) ? "0x" : "",
					(unsigned long long)fuzz_number(f));
	} else {
		const long long pids[] = {
			pid, pid, getpid(), 1, 2, 0, -1, 1LL << 22, 1LL << 31, 1LL << 32,
			fuzz_below(f, 400),
		};

		len = snprintf(text, room, "%s%lld%s", fuzz_chance(f, 60) ? "" :
			       spaces[fuzz_below(f, NR(spaces))], pids[fuzz_below(f, NR(pids))],
			       spaces[fuzz_below(f, fuzz_chance(f, 70) ? 4 : NR(spaces))]);
	}
	/* A byte that is another one, or a great deal more. */
	if (fuzz_chance(f, 25) && len)
		text[fuzz_below(f, len)] = fuzz_bits(f);
	if (fuzz_chance(f, 5)) {
		memset(text + len, fuzz_chance(f, 50) ? ' ' : '7', room - len);
		len += fuzz_below(f, room - len);
	}
	return len;
}
