// SPDX-License-Identifier: GPL-2.0
/* What an answer to a random request must be. */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz_request.h"
#include "proc.h"

#define CHECK(condition) \
	FUZZ_EXPECT(desk->f, condition, "%s: %s", request_name(request), request_text(request))

/* Whether an entry or a run may be told by this request. */
static bool passes(const struct mmlens_walk *asked, uint64_t flags, uint64_t raw)
{
	return __builtin_popcountll(flags & 0x1f) == 1 &&
	       __builtin_popcountll(flags >> 5 & 0x1f) == 1 &&
	       (flags & asked->required) == asked->required &&
	       (!asked->any || flags & asked->any) && !(flags & asked->excluded) &&
	       (raw & asked->raw_mask) == asked->raw_value;
}

static void check_records(const struct request *request, struct desk *desk,
			  const struct mmlens_walk *answer, const void *out)
{
	const struct mmlens_walk *asked = (const void *)request->bytes;
	uint64_t at = asked->start;

	switch (asked->form) {
	case MMLENS_FORM_ENTRIES:
		CHECK(answer->bytes == answer->records * sizeof(struct mmlens_entry));
		for (const struct mmlens_entry *e = out; e < (struct mmlens_entry *)out +
		     answer->records; e++) {
			CHECK(e->address >= at && e->address < answer->start);
			CHECK(passes(asked, e->flags, e->raw));
			at = e->address + 1;
		}
		break;
	case MMLENS_FORM_RUNS:
		CHECK(answer->bytes == answer->records * sizeof(struct mmlens_run));
		for (const struct mmlens_run *run = out; run < (struct mmlens_run *)out +
		     answer->records; run++) {
			CHECK(run->start >= at && run->start < run->end);
			CHECK(run->end <= answer->start);
			CHECK(passes(asked, run->flags, run->raw));
			at = run->end;
		}
		break;
	case MMLENS_FORM_COUNTS:
		CHECK(answer->records == 1 && answer->bytes == sizeof(struct mmlens_counts));
		CHECK(((const struct mmlens_counts *)out)->bytes <= answer->start - asked->start);
		break;
	case MMLENS_FORM_VMAS:
		for (const char *record = out; record < (char *)out + answer->bytes;) {
			const struct mmlens_vma *vma = (const void *)record;

			CHECK(vma->record_size >= sizeof(*vma) && vma->record_size % 8 == 0);
			CHECK(vma->start < vma->end && vma->end > asked->start);
			CHECK((vma->vm_flags & asked->vma_required) == asked->vma_required);
			CHECK(!(vma->vm_flags & asked->vma_excluded));
			record += vma->record_size;
			CHECK(record <= (char *)out + answer->bytes);
		}
		break;
	case MMLENS_FORM_TABLES:
		for (const char *record = out; record < (char *)out + answer->bytes;) {
			const struct mmlens_table *table = (const void *)record;

			CHECK(table->entries && table->entries <= 512 && table->level < 5);
			record += sizeof(*table) + 8 * table->entries;
			CHECK(record <= (char *)out + answer->bytes);
		}
		break;
	}
}

static void check_walk(const struct request *request, struct desk *desk,
		       const struct mmlens_walk *answer, bool has_out)
{
	const struct mmlens_walk *asked = (const void *)request->bytes;
	struct mmlens_walk want = *asked;
	const unsigned char *out = (void *)(uintptr_t)asked->buffer;

	CHECK(answer->start >= asked->start && answer->start <= answer->end);
	CHECK(asked->end ? answer->end == asked->end : answer->end >= asked->start);
	CHECK(answer->bytes <= asked->bytes && answer->bytes % 8 == 0);
	CHECK(answer->space && (!asked->space || answer->space == asked->space));
	want.start = answer->start;
	want.end = answer->end;
	want.bytes = answer->bytes;
	want.records = answer->records;
	want.space = answer->space;
	CHECK(!memcmp(&want, answer, sizeof(want)));
	if (asked->pid == getpid() || !asked->pid)
		desk->space = answer->space;
	if (!has_out)
		return;
	/* What was not filled is as it was. */
	CHECK(!memcmp(out + answer->bytes, desk->copy + (out - desk->room) + answer->bytes,
		      asked->bytes - answer->bytes));
	check_records(request, desk, answer, out);
}

static void check_events(const struct request *request, struct desk *desk,
			 const struct mmlens_events *answer, bool has_out)
{
	const struct mmlens_events *asked = (const void *)request->bytes;
	const unsigned char *out = (void *)(uintptr_t)asked->records;
	size_t filled = answer->count * sizeof(struct mmlens_event);
	struct mmlens_event event;

	CHECK(answer->count <= asked->count && answer->left <= 1 << 16);
	if (!has_out)
		return;
	for (size_t at = 0; at < filled; at += sizeof(event)) {
		memcpy(&event, out + at, sizeof(event));
		CHECK(event.op < MMLENS_OP_COUNT && event.outcome <= MMLENS_OUTCOME_ERROR &&
		      event.flags < 0x40 && event.pid > 0);
	}
	CHECK(!memcmp(out + filled, desk->copy + (out - desk->room) + filled,
		      request->out_bytes - filled));
}

static void check_dirty(const struct request *request, struct desk *desk,
			const struct mmlens_dirty *answer, bool has_out)
{
	const struct mmlens_dirty *asked = (const void *)request->bytes;
	uint64_t bits = 0;

	CHECK(answer->pages <= asked->pages && answer->dirty <= answer->pages);
	if (!has_out || !request->out_bytes || answer->pages != asked->pages)
		return;
	for (uint64_t page = 0; page < request->out_bytes * 8; page++)
		if (((unsigned char *)(uintptr_t)asked->bitmap)[page / 8] & 1 << page % 8) {
			CHECK(page < asked->pages);
			bits++;
		}
	CHECK(bits == answer->dirty);
}

static void check_query(const struct request *request, struct desk *desk,
			const struct mmlens_query *answer)
{
	const struct mmlens_query *asked = (const void *)request->bytes;
	uint64_t page = page_size();

	CHECK(answer->what == asked->what && answer->pid == asked->pid && !answer->reserved);
	CHECK(answer->address == asked->address && answer->length == asked->length);
	CHECK(answer->space);
	switch (asked->what) {
	case MMLENS_QUERY_FIND_VMA:
		CHECK(answer->vma.start < answer->vma.end && answer->vma.end > asked->address);
		break;
	case MMLENS_QUERY_FIND_VMA_PREV:
		CHECK(answer->vma.start == answer->vma.end || answer->vma.end > asked->address);
		CHECK(answer->prev.end <= asked->address);
		break;
	case MMLENS_QUERY_INTERSECTION:
		CHECK(answer->vma.start < asked->address + asked->length &&
		      answer->vma.end > asked->address);
		break;
	case MMLENS_QUERY_GAP:
		CHECK(answer->lowest_end - answer->lowest >= asked->length);
		CHECK(answer->highest_end - answer->highest >= asked->length);
		CHECK(answer->lowest <= answer->highest && answer->lowest_end % page == 0);
		break;
	case MMLENS_QUERY_TRANSLATE:
		CHECK(answer->vma.start <= asked->address && asked->address < answer->vma.end);
		CHECK(answer->physical == ~0ULL ||
		      answer->physical % page == asked->address % page);
		break;
	}
}

/* Reads a little of a text, in pieces that are no larger than what was asked for. */
static void read_text(struct desk *desk, int fd)
{
	unsigned char bytes[512];

	for (unsigned int left = fuzz_below(desk->f, 4); left; left--) {
		size_t size = fuzz_below(desk->f, sizeof(bytes) / 2);
		ssize_t got;

		memset(bytes, 0xa5, sizeof(bytes));
		got = fuzz_chance(desk->f, 70) ? read(fd, bytes, size) :
			pread(fd, bytes, size, fuzz_below(desk->f, 5000));
		FUZZ_EXPECT(desk->f, got <= (ssize_t)size, "%zd", got);
		for (size_t at = got < 0 ? 0 : got; at < sizeof(bytes); at++)
			FUZZ_EXPECT(desk->f, bytes[at] == 0xa5, "%zd: %zu", got, at);
	}
	close(fd);
}

/*
 * Whether the header knows all that was asked for: anything else is refused, so that it can mean
 * something one day.
 */
static bool is_in_the_header(const struct request *request)
{
	union {
		struct mmlens_info info;
		struct mmlens_stats stats;
		struct mmlens_setup setup;
		struct mmlens_events events;
		struct mmlens_dirty dirty;
		struct mmlens_revoke revoke;
		struct mmlens_walk walk;
		struct mmlens_query query;
		struct mmlens_text text;
		struct mmlens_machine machine;
	} asked = { };
	__u32 what;

	memcpy(&asked, request->bytes, request_known(request));
	switch (request->nr) {
	case _IOC_NR(MMLENS_IOC_INFO):
		return !asked.info.reserved;
	case _IOC_NR(MMLENS_IOC_STATS):
		return asked.stats.op < MMLENS_OP_COUNT;
	case _IOC_NR(MMLENS_IOC_SETUP):
		return asked.setup.backing <= MMLENS_BACKING_IOREMAP &&
		       asked.setup.strategy <= MMLENS_STRATEGY_HUGE &&
		       asked.setup.page_kind <= MMLENS_PAGE_KIND_MIXED &&
		       asked.setup.cache <= MMLENS_CACHE_UC &&
		       !(asked.setup.flags & ~(MMLENS_SETUP_TRACK | MMLENS_SETUP_NOSPLIT)) &&
		       !(asked.setup.around & (asked.setup.around - 1)) && !asked.setup.reserved;
	case _IOC_NR(MMLENS_IOC_EVENTS):
		return asked.events.record_size == sizeof(struct mmlens_event);
	case _IOC_NR(MMLENS_IOC_DIRTY):
		return !(asked.dirty.flags & ~MMLENS_DIRTY_PEEK);
	case _IOC_NR(MMLENS_IOC_REVOKE):
		return !(asked.revoke.flags & ~MMLENS_REVOKE_COWS);
	case _IOC_NR(MMLENS_IOC_RESTORE):
		return !asked.revoke.flags;
	case _IOC_NR(MMLENS_IOC_WALK):
		return asked.walk.form <= MMLENS_FORM_COUNTS && !(asked.walk.buffer % 8) &&
		       !(asked.walk.flags & ~(MMLENS_WALK_PAGES | MMLENS_WALK_NAMES));
	case _IOC_NR(MMLENS_IOC_QUERY):
		what = asked.query.what;
		return what <= MMLENS_QUERY_TRANSLATE && !asked.query.reserved &&
		       (what != MMLENS_QUERY_GAP || !asked.query.address) &&
		       (what == MMLENS_QUERY_GAP || what == MMLENS_QUERY_INTERSECTION) ==
		       !!asked.query.length;
	case _IOC_NR(MMLENS_IOC_TEXT):
		what = asked.text.what;
		return what <= MMLENS_TEXT_BUFFERS && !asked.text.reserved &&
		       (what < MMLENS_TEXT_KERNEL_LAYOUT || !asked.text.pid);
	case _IOC_NR(MMLENS_IOC_MACHINE):
		return !asked.machine.reserved[0] && !asked.machine.reserved[1] &&
		       !asked.machine.reserved[2];
	}
	return true;
}

void request_check(const struct request *request, struct desk *desk, int ret, bool has_out)
{
	/* Aligned, which it need not be where it was. */
	static __thread unsigned char bytes[LARGEST_REQUEST + 8] __attribute__((aligned(8)));
	size_t known = request_known(request);
	bool is_apart;

	memcpy(bytes, (void *)(uintptr_t)request->at, request->size);
	/* Where both are the same memory, there is no telling what is in it. */
	is_apart = !request->out_bytes || request->at + request->size <= request->out ||
		   request->out + request->out_bytes <= request->at;
	has_out &= is_apart;
	CHECK(is_in_the_header(request));
	/* Its size is as it was, and what the kernel does not know. */
	CHECK(!memcmp(bytes, request->bytes, 4));
	CHECK(!is_apart ||
	      !memcmp(bytes + known, request->bytes + known, request->size - known));
	switch (request->nr) {
	case _IOC_NR(MMLENS_IOC_INFO):
		break;
	case _IOC_NR(MMLENS_IOC_STATS):
		CHECK(((struct mmlens_stats *)bytes)->op ==
		      ((const struct mmlens_stats *)request->bytes)->op);
		break;
	case _IOC_NR(MMLENS_IOC_EVENTS):
		check_events(request, desk, (void *)bytes, has_out);
		break;
	case _IOC_NR(MMLENS_IOC_DIRTY):
		check_dirty(request, desk, (void *)bytes, has_out);
		break;
	case _IOC_NR(MMLENS_IOC_WALK):
		check_walk(request, desk, (void *)bytes, has_out);
		break;
	case _IOC_NR(MMLENS_IOC_QUERY):
		check_query(request, desk, (void *)bytes);
		break;
	case _IOC_NR(MMLENS_IOC_TEXT):
		read_text(desk, ret);
		break;
	case _IOC_NR(MMLENS_IOC_MACHINE):
		CHECK(!memcmp(bytes + 4, (char *)&desk->reference->machine + 4,
			      sizeof(struct mmlens_machine) - 4));
		break;
	case _IOC_NR(MMLENS_IOC_ATTACH):
	case _IOC_NR(MMLENS_IOC_DETACH):
	case _IOC_NR(MMLENS_IOC_SETUP):
	case _IOC_NR(MMLENS_IOC_REVOKE):
	case _IOC_NR(MMLENS_IOC_RESTORE):
		/* They only ask. */
		CHECK(!memcmp(bytes, request->bytes, request->size));
		break;
	}
}
