// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz_request.h"
#include "proc.h"

/*
 * @pointer, if not 0: which member is an address. @errors: of Documentation/uapi.rst, on top
 * of three that each has.
 */
static const struct kind {
	const char *name;
	unsigned long command;
	unsigned int first, size, weight, pointer;
	int errors[16];
} kinds[] = {
#define KIND(name, type, first, weight, pointer, ...) \
	{ #name, MMLENS_IOC_##name, first, sizeof(type), weight, pointer, \
	  { EINVAL, E2BIG, EFAULT, ##__VA_ARGS__ } }
	KIND(INFO, struct mmlens_info, 40, 5, 0),
	KIND(STATS, struct mmlens_stats, 344, 5, 0),
	KIND(SETUP, struct mmlens_setup, 48, 6, 0, EBUSY, EOPNOTSUPP, ENODEV, ENOMEM),
	KIND(EVENTS, struct mmlens_events, 32, 12,
	     __builtin_offsetof(struct mmlens_events, records), ENOMEM),
	KIND(DIRTY, struct mmlens_dirty, 48, 14,
	     __builtin_offsetof(struct mmlens_dirty, bitmap), EOPNOTSUPP, ENOMEM),
	KIND(REVOKE, struct mmlens_revoke, 8, 3, 0),
	KIND(RESTORE, struct mmlens_revoke, 8, 6, 0),
	KIND(WALK, struct mmlens_walk, 136, 28, __builtin_offsetof(struct mmlens_walk, buffer),
	     ESRCH, ENODATA, ESTALE, ENOSPC, ENOMEM),
	KIND(QUERY, struct mmlens_query, 352, 14, 0, ESRCH, ENODATA, ESTALE, ENOENT,
	     EAGAIN, ENOMEM),
	KIND(TEXT, struct mmlens_text, 16, 10, 0, ESRCH, ENOENT, EMFILE, ENOMEM),
	KIND(ATTACH, struct mmlens_attach, 8, 5, 0, ESRCH, EEXIST, ENOSPC, ENOMEM),
	KIND(DETACH, struct mmlens_attach, 8, 5, 0, ENOENT),
	KIND(MACHINE, struct mmlens_machine, 88, 2, 0),
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

static unsigned int all_weights(void)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < KINDS; i++)
		sum += kinds[i].weight;
	return sum;
}

static __s32 any_pid(struct desk *desk)
{
	const __s32 pids[] = {
		0, 0, getpid(), gettid(), desk->reference->target, desk->reference->target,
		desk->reference->dead, getppid(), 1, 2, 3, -1, -getpid(), 1 << 22, 0x7fffffff,
		-0x7fffffff - 1,
	};

	return fuzz_chance(desk->f, 90) ?
	       pids[fuzz_below(desk->f, sizeof(pids) / sizeof(*pids))] :
	       (__s32)fuzz_below(desk->f, 500);
}

/* Somewhere in the addresses that the kernel may be asked about. */
static uint64_t any_place(struct desk *desk)
{
	const struct reference *reference = desk->reference;
	struct fuzz *f = desk->f;

	switch (fuzz_below(f, 5)) {
	case 0:
		return fuzz_number(f);
	case 1:
		return fuzz_address(f);
	case 2:
		return (uintptr_t)desk->device + fuzz_below(f, page_size());
	default:
		return reference->start + fuzz_below(f, reference->end - reference->start);
	}
}

static uint64_t any_bits(struct fuzz *f)
{
	return fuzz_chance(f, 70) ? 0 : fuzz_chance(f, 70) ? 1UL << fuzz_below(f, 64) :
	       fuzz_number(f);
}

static void make_setup(struct desk *desk, struct mmlens_setup *setup)
{
	struct fuzz *f = desk->f;

	/* One that can be had: of random numbers few are. */
	if (fuzz_chance(f, 40)) {
		setup->backing = fuzz_from(f, MMLENS_BACKING_VMALLOC, MMLENS_BACKING_SPARSE);
		setup->bytes = fuzz_below(f, 100 * page_size());
		return;
	}
	*setup = (struct mmlens_setup) {
		.backing = fuzz_below(f, 7), .strategy = fuzz_below(f, 6),
		.page_kind = fuzz_below(f, 4), .cache = fuzz_below(f, 4),
		.flags = fuzz_below(f, 5), .around = fuzz_chance(f, 60) ? 0 : fuzz_number(f),
		.region = fuzz_chance(f, 90) ? 0 : fuzz_number(f),
		.bytes = fuzz_below(f, 100 * page_size()),
		.events = fuzz_chance(f, 70) ? 0 : fuzz_number(f),
	};
}

static void make_walk(struct desk *desk, struct request *request, place_fn place)
{
	struct mmlens_walk *walk = (void *)request->bytes;
	struct fuzz *f = desk->f;

	walk->form = fuzz_below(f, 5) + fuzz_chance(f, 3);
	walk->flags = fuzz_chance(f, 60) ? 0 : fuzz_below(f, 4);
	walk->pid = any_pid(desk);
	walk->bytes = fuzz_chance(f, 20) ? fuzz_number(f) : fuzz_below(f, 32 << 10);
	walk->buffer = (uintptr_t)place(desk, walk->bytes, 8);
	if (fuzz_chance(f, 70))
		walk->start = any_place(desk);
	if (fuzz_chance(f, 70))
		walk->end = fuzz_chance(f, 50) ? walk->start + fuzz_below(f, 1 << 20) :
						 any_place(desk);
	if (walk->start > walk->end && fuzz_chance(f, 90)) {
		uint64_t start = walk->end;

		walk->end = walk->start;
		walk->start = start;
	}
	if (fuzz_chance(f, 60))
		return;
	walk->required = any_bits(f);
	walk->any = any_bits(f);
	walk->excluded = any_bits(f) & ~walk->required;
	walk->raw_mask = any_bits(f);
	walk->raw_value = walk->raw_mask & any_bits(f);
	if (fuzz_chance(f, 30)) {
		walk->phys_start = fuzz_number(f);
		walk->phys_end = walk->phys_start + fuzz_number(f);
	}
	walk->vma_required = any_bits(f);
	walk->vma_excluded = any_bits(f);
	walk->space = fuzz_chance(f, 80) ? 0 : fuzz_chance(f, 80) ? desk->space : fuzz_number(f);
}

static void make_members(struct request *request, struct desk *desk, place_fn place)
{
	void *bytes = request->bytes;
	struct fuzz *f = desk->f;

	switch (request->nr) {
	case _IOC_NR(MMLENS_IOC_STATS):
		((struct mmlens_stats *)bytes)->op = fuzz_below(f, MMLENS_OP_COUNT + 1);
		break;
	case _IOC_NR(MMLENS_IOC_SETUP):
		make_setup(desk, bytes);
		break;
	case _IOC_NR(MMLENS_IOC_EVENTS): {
		struct mmlens_events *events = bytes;

		events->count = fuzz_chance(f, 20) ? fuzz_number(f) : fuzz_below(f, 300);
		events->record_size = sizeof(struct mmlens_event);
		events->records = (uintptr_t)place(desk, 48UL * events->count, 1);
		break;
	}
	case _IOC_NR(MMLENS_IOC_DIRTY): {
		struct mmlens_dirty *dirty = bytes;

		dirty->flags = fuzz_below(f, 2);
		dirty->first = fuzz_chance(f, 80) ? fuzz_below(f, 20) : fuzz_number(f);
		dirty->pages = fuzz_chance(f, 80) ? fuzz_below(f, 20) : fuzz_number(f);
		if (fuzz_chance(f, 80))
			dirty->bitmap = (uintptr_t)place(desk, (dirty->pages + 63) / 64 * 8, 1);
		break;
	}
	case _IOC_NR(MMLENS_IOC_REVOKE):
		((struct mmlens_revoke *)bytes)->flags = fuzz_below(f, 2);
		break;
	case _IOC_NR(MMLENS_IOC_WALK):
		make_walk(desk, request, place);
		break;
	case _IOC_NR(MMLENS_IOC_QUERY): {
		struct mmlens_query *query = bytes;

		query->what = fuzz_below(f, 5) + fuzz_chance(f, 3);
		query->pid = any_pid(desk);
		if (query->what != MMLENS_QUERY_GAP || fuzz_chance(f, 5))
			query->address = any_place(desk);
		if (query->what == MMLENS_QUERY_GAP || query->what == MMLENS_QUERY_INTERSECTION)
			query->length = fuzz_number(f);
		query->space = fuzz_chance(f, 90) ? 0 : desk->space;
		break;
	}
	case _IOC_NR(MMLENS_IOC_TEXT):
		((struct mmlens_text *)bytes)->what = fuzz_below(f, 14);
		((struct mmlens_text *)bytes)->pid = any_pid(desk);
		break;
	case _IOC_NR(MMLENS_IOC_ATTACH):
	case _IOC_NR(MMLENS_IOC_DETACH):
		((struct mmlens_attach *)bytes)->pid = any_pid(desk);
		break;
	}
}

/* Some members are something else. */
static void mutate(struct request *request, struct desk *desk, const struct kind *kind)
{
	struct fuzz *f = desk->f;

	for (unsigned int left = fuzz_from(f, 1, 3); left; left--) {
		unsigned int at = 4 * fuzz_from(f, 1, kind->size / 4 - 1);
		uint64_t value = fuzz_number(f);

		if (kind->pointer && at >= kind->pointer && at < kind->pointer + 8) {
			at = kind->pointer;
			value = fuzz_address(f);
		}
		memcpy(request->bytes + at, &value, at % 8 || at + 8 > kind->size ? 4 : 8);
	}
	/* What a call may take of memory is not to be the end of the guest. */
	if (kind->command == MMLENS_IOC_SETUP) {
		struct mmlens_setup *setup = (void *)request->bytes;

		if (setup->bytes > 16 << 20 && setup->bytes < 1UL << 30)
			setup->bytes = 16 << 20;
	}
}

static void note_out(struct request *request)
{
	const void *bytes = request->bytes;

	if (request->nr == _IOC_NR(MMLENS_IOC_WALK)) {
		request->out = ((const struct mmlens_walk *)bytes)->buffer;
		request->out_bytes = ((const struct mmlens_walk *)bytes)->bytes;
	} else if (request->nr == _IOC_NR(MMLENS_IOC_EVENTS)) {
		request->out = ((const struct mmlens_events *)bytes)->records;
		request->out_bytes = 48ULL * ((const struct mmlens_events *)bytes)->count;
	} else if (request->nr == _IOC_NR(MMLENS_IOC_DIRTY)) {
		const struct mmlens_dirty *dirty = bytes;

		request->out = dirty->bitmap;
		if (dirty->bitmap)
			request->out_bytes = (dirty->pages / 64 + !!(dirty->pages % 64)) * 8;
	}
	/* Not around the end of all addresses, but not nothing either. */
	if (request->out_bytes > ~request->out)
		request->out_bytes = ~request->out ? ~request->out : 1;
}

void request_make(struct request *request, struct desk *desk, place_fn place)
{
	struct fuzz *f = desk->f;
	unsigned int choice = fuzz_below(f, all_weights()), dir, type = MMLENS_IOC_MAGIC;
	const struct kind *kind = kinds;
	__u32 member;

	memset(request, 0, sizeof(*request));
	while (choice >= kind->weight)
		choice -= (kind++)->weight;
	request->nr = _IOC_NR(kind->command);
	make_members(request, desk, place);
	if (fuzz_chance(f, 25))
		mutate(request, desk, kind);
	note_out(request);
	request->size = kind->size;
	switch (fuzz_below(f, 20)) {
	case 0:
		request->size = fuzz_from(f, 4, LARGEST_REQUEST);
		break;
	case 1:
		request->size = fuzz_below(f, kind->size + 1);
		break;
	case 2:
		request->size = fuzz_from(f, kind->size, kind->size + 64);
		fuzz_fill(f, request->bytes + kind->size, 64);
		break;
	}
	member = fuzz_chance(f, 95) ? request->size : fuzz_number(f);
	memcpy(request->bytes, &member, sizeof(member));
	request->is_ours = !fuzz_chance(f, 3);
	if (!request->is_ours && fuzz_chance(f, 50))
		request->nr = fuzz_from(f, KINDS, 255);
	else if (!request->is_ours)
		/* Those of other letters may be for any file. */
		type = fuzz_from(f, MMLENS_IOC_MAGIC + 1, 0xff);
	dir = fuzz_chance(f, 90) ? _IOC_DIR(kind->command) : fuzz_below(f, 4);
	request->command = _IOC(dir, type, request->nr, request->size);
}

void desk_goals(const char *goals[FUZZ_GOALS])
{
	for (size_t i = 0; i < KINDS; i++)
		goals[_IOC_NR(kinds[i].command)] = kinds[i].name;
}

const char *request_name(const struct request *request)
{
	return request->nr < KINDS ? kinds[request->nr].name : "?";
}

const char *request_text(const struct request *request)
{
	static char text[160];
	size_t len = 0;

	for (unsigned int at = 4; at < request->size && at < 80 && len < 120; at += 4)
		len += snprintf(text + len, sizeof(text) - len, "%x ",
				*(const __u32 *)(request->bytes + at));
	return text;
}

size_t request_known(const struct request *request)
{
	return request->size < kinds[request->nr].size ? request->size : kinds[request->nr].size;
}

bool request_is_text(const struct request *request)
{
	return request->is_ours && request->nr == _IOC_NR(MMLENS_IOC_TEXT);
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
	return !size || (!bytes[0] && !memcmp(bytes, bytes + 1, size - 1));
}

bool request_may_end(const struct request *request, int ret, bool is_known)
{
	const struct kind *kind = &kinds[request->nr];

	if (!request->is_ours)
		return ret == -ENOTTY;
	if (request->size < kind->first)
		return ret == -EINVAL;
	if (is_known && request->size > kind->size &&
	    !is_zero(request->bytes + kind->size, request->size - kind->size))
		return ret == -E2BIG;
	if (is_known && *(const __u32 *)request->bytes != request->size)
		return ret == -EINVAL;
	/* What can be read and written is no bad pointer; nor is what is not larger too large. */
	if (is_known && (ret == -E2BIG || (ret == -EFAULT && !request->out_bytes)))
		return false;
	if (ret >= 0)
		return request_is_text(request) || !ret;
	for (const int *error = kind->errors; *error; error++)
		if (ret == -*error)
			return true;
	return false;
}

bool request_leaves_all(int ret)
{
	return ret < 0 && ret != -EFAULT && ret != -ENOSPC && ret != -ENOMEM && ret != -EINTR;
}
