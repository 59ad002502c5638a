// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lens.h"
#include "query.h"
#include "quiet.h"
#include "util.h"

#define POISON_TEXT "aaaaaaaaaaaaaaaa"

static bool has_word(const char *line, const char *word)
{
	char spaced[24];

	snprintf(spaced, sizeof(spaced), " %s ", word);
	return strstr(line, spaced);
}

/* The addresses under the heading of a VMA, and how far each level got. */
struct section {
	uint64_t start, end, last[MMLENS_LEVELS];
};

static int level_of(const char *line)
{
	static const char *const names[MMLENS_LEVELS] = { "pte", "pmd", "pud", "p4d", "pgd" };

	for (int level = 0; level < MMLENS_LEVELS; level++)
		if (has_word(line, names[level]))
			return level;
	return -1;
}

/* A line of entries or pagetable, with @end of the latter. */
static int look_at_line(struct quiet *q, const char *line, uint64_t start, uint64_t end,
			struct section *section)
{
	int level = level_of(line);

	if (has_word(line, POISON_TEXT))
		return quiet_wrong("a page that is free: %.200s", line);
	if (has_word(line, "nonpresent") || line_is_wrong(line, &q->places))
		return quiet_wrong("no such entry: %.200s", line);
	if (!quiet_knows(q, start) || !quiet_knows(q, end - 1))
		return quiet_wrong("never mapped: %.200s", line);
	/* A level is looked at after the one above: no address twice on one of them. */
	if (level < 0 || start < section->last[level] || start < section->start ||
	    end > section->end)
		return quiet_wrong("after %lx, in %lx-%lx: %.200s",
				   level < 0 ? 0 : section->last[level], section->start,
				   section->end, line);
	section->last[level] = end;
	/* Tables serve others, too. */
	if (quiet_has(q, start) && !has_word(line, "table")) {
		quiet_add(q, line, strlen(line));
		quiet_add(q, "\n", 1);
	}
	return 0;
}

/* Words of a line of vmas that tell of others. */
static void without_counters(char *line)
{
	static const char *const words[] = { " lock_seq=", " lock_readers=" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		char *at = strstr(line, words[i]);

		if (at) {
			size_t len = 1 + strcspn(at + 1, " ");

			memmove(at, at + len, strlen(at + len) + 1);
		}
	}
}

static int look_at_vma(struct quiet *q, char *line, uint64_t start, uint64_t end, uint64_t *last)
{
	/* One that has grown down, or merged with the last one, is told as a whole. */
	if (end <= *last || end <= start)
		return quiet_wrong("after %lx: %.200s", *last, line);
	if (!quiet_knows(q, start) || !quiet_knows(q, end - 1))
		return quiet_wrong("never mapped: %.200s", line);
	*last = end;
	if (quiet_has(q, start)) {
		without_counters(line);
		quiet_add(q, line, strlen(line));
		quiet_add(q, "\n", 1);
	}
	return 0;
}

static const char *const files[NR_LOOKS] = {
	[LOOK_PAGETABLE] = "pagetable", [LOOK_FILE_ENTRIES] = "entries",
	[LOOK_FILE_VMAS] = "vmas", [LOOK_SUMMARY] = "summary",
};

int look_at_text(struct quiet *q, enum quiet_look look)
{
	char *text = lens_read(q->pid, files[look], NULL), *rest = text, *line;
	uint64_t last = 0, start, end;
	struct section section = { };
	int ret = 0;

	if (!text)
		return -errno;
	if (look == LOOK_SUMMARY && (strncmp(text, "vmas:", 5) || !strstr(text, "\nrss:") ||
				     !strstr(text, "\npgtables:") || !strstr(text, "\nbad:")))
		ret = quiet_wrong("summary: %.300s", text);
	while (!ret && look != LOOK_SUMMARY && (line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%16lx-%16lx ", &start, &end) == 2) {
			ret = look == LOOK_FILE_VMAS ? look_at_vma(q, line, start, end, &last) :
						       look_at_line(q, line, start, end, &section);
		} else if (sscanf(line, "%16lx ", &start) == 1) {
			ret = look_at_line(q, line, start, start + 1, &section);
		} else if (sscanf(line, "vma %16lx-%16lx ", &start, &end) == 2) {
			/* One that grew meanwhile has another heading for the rest. */
			if (start < section.end)
				ret = quiet_wrong("after %lx: %.200s", section.end, line);
			section = (struct section) { .start = start, .end = end };
		} else if (*line && *line != '#') {
			ret = quiet_wrong("no line: %.200s", line);
		}
	}
	free(text);
	return ret;
}

static uint64_t step_of(const struct mmlens_query *query, int level)
{
	return query->step[level].raw;
}

static int translate(struct quiet *q, struct mmlens_query *query, uint64_t address)
{
	*query = (struct mmlens_query) {
		.size = sizeof(*query), .what = MMLENS_QUERY_TRANSLATE, .pid = q->pid,
		.address = address,
	};
	if (ioctl(q->fd, MMLENS_IOC_QUERY, query))
		return -errno;
	for (int level = 0; level < MMLENS_LEVELS; level++)
		if (step_of(query, level) == POISON)
			return quiet_wrong("translate %lx: level %d, at %llx: a page that is free",
					   address, level, query->step[level].at);
	return 0;
}

int look_at_query(struct quiet *q)
{
	const struct arena *a = q->arena;
	struct mmlens_query query;
	int ret;

	for (size_t page = 0; page < QUIET_PAGES; page += 5) {
		ret = translate(q, &query, (uintptr_t)a->quiet + page * a->page);
		if (ret == 1 || (ret && ret != -ENOENT))
			return ret;
		quiet_add(q, &(__u64) { ret }, sizeof(__u64));
		if (ret)
			continue;
		quiet_add(q, &query.step[0], sizeof(query.step[0]));
		quiet_add(q, &query.physical, sizeof(query.physical));
		quiet_add(q, &query.vma, sizeof(query.vma));
	}
	ret = translate(q, &query, (uintptr_t)a->huge + a->table / 2);
	if (ret)
		return ret;
	quiet_add(q, &query.step[a->has_huge], sizeof(query.step[0]));
	quiet_add(q, &query.physical, sizeof(query.physical));
	/* Where it is not quiet. */
	for (int i = 0; i < 32; i++) {
		uint64_t address;

		q->random = q->random * 1664525 + 1013904223;
		address = (uintptr_t)a->start +
			  (q->random >> 8) % (a->bytes / a->page) * a->page;
		ret = translate(q, &query, address);
		if (ret && ret != -ENOENT && ret != -EAGAIN)
			return ret;
		if (!ret && (query.vma.start > address || query.vma.end <= address))
			return quiet_wrong("translate %lx: VMA %llx-%llx", address, query.vma.start,
					   query.vma.end);
	}
	return 0;
}

int look_at_rmap(struct quiet *q)
{
	const struct arena *a = q->arena;
	int fd = query_open(q->pid), ret = 0;
	char *answer;

	if (fd < 0)
		return fd;
	/* Children have not got it: one mapping. */
	answer = query(fd, "rmap %lx", (uintptr_t)a->quiet + QUIET_FILE * a->page);
	if (answer)
		quiet_add(q, answer, strlen(answer));
	else
		ret = -errno;
	for (int i = 0; i < 4 && !ret; i++) {
		q->random = q->random * 1664525 + 1013904223;
		answer = query(fd, i & 1 ? "rmap %lx" : "explain %lx", (uintptr_t)a->start +
			       (q->random >> 8) % (a->bytes / a->page) * a->page);
		if (!answer)
			ret = -errno;
		else if (strstr(answer, " " POISON_TEXT " "))
			ret = quiet_wrong("a page that is free: %.300s", answer);
	}
	close(fd);
	return ret;
}
