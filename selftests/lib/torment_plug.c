// SPDX-License-Identifier: GPL-2.0
/* The memory that a process has is taken away: its pages are moved. */
#include <sys/mman.h>

#include "arena.h"
#include "knobs.h"
#include "plug.h"
#include "util.h"

static void prepare_plug(struct arena *a)
{
	if (plug_open())
		arena_cannot_because(a, "no memory can be plugged; boot with --shape dimm or vmem");
	/* Tables of huge pages are not needed to be moved. */
	knob_set("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
}

/*
 * The quiet pages are not in what is plugged later, and what is in it, as far as it can
 * be, are pages of the rest: the kernel takes them from there first.
 */
static void unplug(struct arena *a)
{
	unsigned int number = a->extra[0]++;
	long before;

	if (number % 8 == 0) {
		if (!plug_remove())
			return;
		if (!plug_add())
			return;
	}
	madvise(a->high, a->high_bytes, MADV_DONTNEED);
	arena_touch(a, a->high, a->high_bytes, 2);
	before = vmstat("pgmigrate_success");
	/* It took away what the process had in it. */
	if (plug_offline(number) && vmstat("pgmigrate_success") > before)
		a->effects++;
	plug_online(number);
	/* The other way of going: all of it, with the memory. */
	if (number % 8 == 7)
		plug_remove();
}

static void end_plug(struct arena *a)
{
	if (!plug_remove())
		arena_cannot_because(a, "plugged memory is not given back");
}

const struct torment torment_plug = {
	.name = "plug", .prepare = prepare_plug, .round = unplug, .end = end_plug,
};
