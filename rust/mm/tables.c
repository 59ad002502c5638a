// SPDX-License-Identifier: GPL-2.0
/*
 * The look at the page tables: the only C functions of mmlens with a body of
 * their own, because every accessor in them is an inline or a macro that the
 * architecture folds as the running kernel does.
 *
 * The rules are those of gup_fast (mm/gup.c), perf (perf_get_page_size()) and
 * KVM (host_pfn_mapping_level()): interrupts off, each entry read exactly once,
 * the descent goes from the copy.
 *
 * Why interrupts off, and not just RCU: most tables are freed through RCU, for
 * which this is a read-side section, but a table that was deposited when a huge
 * page was collapsed is freed at once (zap_deposited_table()). Those who deposit
 * it send an interrupt to all processors first and wait for it to be taken
 * (tlb_remove_table_sync_one()), so this processor cannot be in here then.
 *
 * Why the mmap lock as well: munmap() frees tables outside of VMAs under a
 * downgraded lock, so the caller stays inside of a VMA that it found under the
 * lock.
 */
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#ifdef CONFIG_X86_64
#include <asm/msr.h>
#endif

#include "../helpers.h"

enum { PTE, PMD, PUD, P4D, PGD };

/*
 * A folded level has no table. The C accessors pass through it; the one below
 * finds the entry in the top table, whatever it is called there, so the entry of
 * the lowest folded level is the one of the pgd.
 *
 * arm64 shows why not to take pgd_offset(): with 52-bit addresses configured
 * but not in use, it always finds the first entry of the table, and
 * p4d_offset_lockless() the right one.
 */
#define P4D_NAME(mm) (mm_p4d_folded(mm) ? PGD : P4D)
#define PUD_NAME(mm) (mm_pud_folded(mm) ? PGD : PUD)
#define PMD_NAME(mm) (mm_pmd_folded(mm) ? PGD : PMD)

/*
 * Where a level is folded, the generic accessors point to the copy that they were
 * given; the entry itself is where that was read from.
 */
#define unfold(p, copy, from) \
	((void *)(p) == (void *)&(copy) ? (typeof(p))(from) : (p))

/* The register that the memory types of entries are indexes of. */
static u64 attributes(void)
{
#ifdef CONFIG_X86_64
	u64 pat;

	/* The kernel sets up the same value on all processors (pat_cpu_init()). */
	if (boot_cpu_has(X86_FEATURE_PAT) && !rdmsrq_safe(MSR_IA32_CR_PAT, &pat))
		return pat;
	/* What processors begin with, and those without PAT have: WB WT UC- UC twice. */
	return 0x0007040600070406;
#else
	return read_sysreg(mair_el1);
#endif
}

void mmlens_read_machine(struct mmlens_machine *g)
{
	struct mm_struct *mm = current->mm;	/* the folding is the same for all */
	u8 top = mm_pmd_folded(mm) ? PMD_SHIFT :
		 mm_pud_folded(mm) ? PUD_SHIFT :
		 mm_p4d_folded(mm) ? P4D_SHIFT : PGDIR_SHIFT;

	*g = (struct mmlens_machine) {
		.shift = { PAGE_SHIFT, PMD_SHIFT, PUD_SHIFT, P4D_SHIFT, PGDIR_SHIFT },
		.folded = mm_pmd_folded(mm) << PMD | mm_pud_folded(mm) << PUD |
			  mm_p4d_folded(mm) << P4D,
		.soft_pfn_bits = SWP_PFN_BITS,
		.soft = {
			[0 ... MAX_SWAPFILES - 1] = MMLENS_SOFT_SWAP,
#ifdef CONFIG_MEMORY_FAILURE
			[SWP_HWPOISON] = MMLENS_SOFT_HWPOISON,
#endif
#ifdef CONFIG_MIGRATION
			[SWP_MIGRATION_READ] = MMLENS_SOFT_MIGRATION_READ,
			[SWP_MIGRATION_READ_EXCLUSIVE] = MMLENS_SOFT_MIGRATION_READ_EXCLUSIVE,
			[SWP_MIGRATION_WRITE] = MMLENS_SOFT_MIGRATION_WRITE,
#endif
#ifdef CONFIG_DEVICE_PRIVATE
			[SWP_DEVICE_READ] = MMLENS_SOFT_DEVICE_READ,
			[SWP_DEVICE_WRITE] = MMLENS_SOFT_DEVICE_WRITE,
			[SWP_DEVICE_EXCLUSIVE] = MMLENS_SOFT_DEVICE_EXCLUSIVE,
#endif
			[SWP_PTE_MARKER] = MMLENS_SOFT_MARKER,
		},
		.attributes = attributes(),
#ifdef CONFIG_X86_64
		.arch = MMLENS_ARCH_X86_64,
		.address_low = PTE_PFN_MASK,
		.encryption = sme_me_mask,
		.has_pti = boot_cpu_has(X86_FEATURE_PTI),
		.has_shadow_stack = cpu_feature_enabled(X86_FEATURE_SHSTK),
#endif
#ifdef CONFIG_ARM64
		.arch = MMLENS_ARCH_ARM64,
		.has_pti = arm64_kernel_unmapped_at_el0(),
		.address_low = PTE_ADDR_LOW,
#ifdef CONFIG_ARM64_PA_BITS_52
		/* With 4K and 16K pages the bits are shareability until LPA2 is on. */
		.address_high = PTE_ADDR_HIGH & ~PTE_MAYBE_SHARED,
		.address_high_shift = PTE_ADDR_HIGH_SHIFT,
#endif
#endif
	};
	/* A folded level has the shift of the top table, which serves for it. */
	for (unsigned int level = PMD; level <= PGD; level++)
		g->shift[level] = min_t(u8, g->shift[level], top);
}

/* Where the way down ended, or was to end. */
struct spot {
	void *entry;		/* the one that translates the address */
	unsigned int left;	/* entries from it to the end of its table */
	unsigned int type;	/* what C takes it for: its name, unless that level is folded */
};

#define stops(type, e) \
	(type##_none(e) || !type##_present(e) || type##_leaf(e) || type##_bad(e))

/*
 * Goes down to the entry of @level that translates @addr, or to where the way ends
 * above, and returns that level. Interrupts are off, and stay off as long as @spot is
 * of use.
 *
 * Where x86_64 folds a level at run time, PTRS_PER_P4D is 1, and so is what is left.
 */
static __always_inline unsigned int descend(struct mm_struct *mm, unsigned long addr,
					    unsigned int level, u64 *path, struct spot *spot)
{
	pgd_t *pgdp, pgd;
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;

	pgdp = pgd_offset(mm, addr);
	*spot = (struct spot) { pgdp, PTRS_PER_PGD - pgd_index(addr), PGD };
	if (!mm_p4d_folded(mm) && level == PGD)
		return PGD;
	pgd = READ_ONCE(*pgdp);
	path[PGD] = pgd_val(pgd);
	if (stops(pgd, pgd))
		return PGD;

	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4dp = unfold(p4dp, pgd, pgdp);
	*spot = (struct spot) { p4dp, PTRS_PER_P4D - p4d_index(addr), P4D };
	if (!mm_pud_folded(mm) && level == P4D_NAME(mm))
		return level;
	p4d = READ_ONCE(*p4dp);
	path[P4D_NAME(mm)] = p4d_val(p4d);
	if (stops(p4d, p4d))
		return P4D_NAME(mm);

	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pudp = unfold(pudp, p4d, p4dp);
	*spot = (struct spot) { pudp, PTRS_PER_PUD - pud_index(addr), PUD };
	if (!mm_pmd_folded(mm) && level == PUD_NAME(mm))
		return level;
	pud = READ_ONCE(*pudp);
	path[PUD_NAME(mm)] = pud_val(pud);
	if (stops(pud, pud))
		return PUD_NAME(mm);

	pmdp = pmd_offset_lockless(pudp, pud, addr);
	pmdp = unfold(pmdp, pud, pudp);
	*spot = (struct spot) { pmdp, PTRS_PER_PMD - pmd_index(addr), PMD };
	if (level == PMD_NAME(mm))
		return level;
	pmd = READ_ONCE(*pmdp);
	path[PMD_NAME(mm)] = pmd_val(pmd);
	if (stops(pmd, pmd))
		return PMD_NAME(mm);

	*spot = (struct spot) {
		pte_offset_kernel(&pmd, addr), PTRS_PER_PTE - pte_index(addr), PTE
	};
	return PTE;
}

/*
 * An entry as it stands in memory. With support for paravirtualised Xen, what
 * pte_val() does is not inline; there it makes page frames of machine frames, which is
 * left to tell().
 */
#define value(p, i) READ_ONCE(*(const u64 *)((p) + (i)))
static_assert(sizeof(pte_t) == sizeof(u64) && sizeof(pmd_t) == sizeof(u64) &&
	      sizeof(pud_t) == sizeof(u64) && sizeof(p4d_t) == sizeof(u64) &&
	      sizeof(pgd_t) == sizeof(u64));

/* What are entries as they stand in memory as the kernel takes them. */
#ifdef CONFIG_XEN_PV
#define tell(type, values, nr)						\
({									\
	if (cpu_feature_enabled(X86_FEATURE_XENPV))			\
		for (unsigned int i = 0; i < (nr); i++)			\
			(values)[i] = type##_val(native_make_##type((values)[i]));	\
})
#else
#define tell(type, values, nr) ((void)(values), (void)(nr))
#endif

/* Eight at a time: with interrupts off nothing is worth more than to be done. */
static __always_inline void copy(const u64 *from, unsigned long nr, u64 *to)
{
	const u64 *end = from + nr;

	for (; end - from >= 8; from += 8, to += 8) {
#pragma GCC unroll 8
		for (unsigned int i = 0; i < 8; i++)
			to[i] = value(from, i);
	}
	while (from < end)
		*to++ = value(from++, 0);
}

/**
 * mmlens_read_tables() - read the entries that translate an address, once
 * @mm: the address space; the caller holds its mmap lock
 * @addr: an address inside of a VMA found under that lock
 * @level: the level to copy entries of: 0 (pte) to 4 (pgd), not folded
 * @max: how many entries at most; 1 to 512 for one table page of 4K
 * @s: gets how far down it went, and how many entries were copied
 * @entries: gets @s->nr entries of the table of @level from the one that
 *	translates @addr on; none if the way down ends above
 *
 * The entries are what the hardware sees: on arm64 not ptep_get_lockless(),
 * which adds the accessed and dirty bits of a contiguous range to each entry.
 *
 * Context: Process context; interrupts are off for at most @max + 4 loads.
 */
void mmlens_read_tables(struct mm_struct *mm, unsigned long addr,
			unsigned int level, unsigned int max,
			struct mmlens_snapshot *s, __u64 *entries)
{
	unsigned long flags;
	unsigned int nr;
	struct spot spot;

	*s = (struct mmlens_snapshot) { };

	local_irq_save(flags);
	s->reached = descend(mm, addr, level, s->path, &spot);
	if (s->reached != level)
		goto out;
	nr = min(max, spot.left);
	copy(spot.entry, nr, entries);
	s->nr = nr;
	s->address = virt_to_phys(spot.entry);
	switch (spot.type) {
	case PTE:
		tell(pte, entries, nr);
		break;
	case PMD:
		tell(pmd, entries, nr);
		break;
	case PUD:
		tell(pud, entries, nr);
		break;
	case P4D:
		tell(p4d, entries, nr);
		break;
	case PGD:
		tell(pgd, entries, nr);
		break;
	}
out:
	local_irq_restore(flags);
}

/* Leaves of the upper two levels do not exist. */
#define pte_frame(e) pte_pfn(e)
#define pmd_frame(e) pmd_pfn(e)
#define pud_frame(e) pud_pfn(e)
#define p4d_frame(e) ((void)(e), 0UL)
#define pgd_frame(e) ((void)(e), 0UL)

/*
 * In what entry @i differs from @from. Of a volatile the compiler makes a load of its
 * own, which is one of four instructions for each entry.
 */
#ifdef CONFIG_X86_64
#define differ_at(p, i, from)						\
	({ u64 bits = (from); asm("xorq %1, %0" : "+r" (bits) : "m" ((p)[i])); bits; })
#else
#define differ_at(p, i, from) (value(p, i) ^ (from))
#endif

/* The first of the entries from @e to @end that differs from @first in @mask. */
static __always_inline const u64 *agree(const u64 *e, const u64 *end, u64 first, u64 mask)
{
	for (; end - e >= 8; e += 8) {
		u64 differ = 0;

#pragma GCC unroll 8
		for (unsigned int i = 0; i < 8; i++)
			differ |= value(e, i) ^ first;
		if (differ & mask)
			break;
	}
	while (e < end && !((value(e, 0) ^ first) & mask))
		e++;
	return e;
}

/*
 * The first of them that is not @next, with @step added for each. Inlined with a @step
 * that is constant, it is part of the address of what is compared.
 */
static __always_inline const u64 *follow(const u64 *e, const u64 *end, u64 next, u64 step)
{
	for (; end - e >= 16; e += 16) {
		u64 differ = 0;

#pragma GCC unroll 16
		for (unsigned int i = 0; i < 16; i++)
			differ |= differ_at(e, i, next + i * step);
		if (differ)
			break;
		next += 16 * step;
	}
	for (; e < end && value(e, 0) == next; e++)
		next += step;
	return e;
}

/*
 * How many of the @nr entries from @p on are alike, in *@same the first of them: a
 * leaf and those that agree with it in @mask, anything else and those that are
 * equal. @pages is what a leaf of this level maps.
 */
#define alike(type, p, nr, mask, pages, same)				\
({									\
	type##_t head = READ_ONCE(*(p));				\
	const u64 *e = (const u64 *)(p), *end = e + (nr), *at = e + 1, *ordered;	\
	u64 first = *(u64 *)&head, bits = ~0ULL;			\
									\
	if (type##_present(head)) {					\
		bits = (mask);						\
		if (at < end) {						\
			type##_t second = READ_ONCE((p)[1]);		\
			u64 next = *(u64 *)&second, step = next - first;	\
									\
			if (type##_frame(second) == type##_frame(head) + (pages) &&	\
			    !((next ^ first) & bits))			\
				at = step == (pages) * PAGE_SIZE ?		\
					follow(e + 2, end, next + step, (pages) * PAGE_SIZE) :	\
					follow(e + 2, end, next + step, step);	\
		}							\
	}								\
	ordered = at;							\
	at = agree(at, end, first, bits);				\
	(same)->raw = first;						\
	tell(type, &(same)->raw, 1);					\
	(same)->count = at - e;						\
	(same)->in_order = at == ordered;				\
	at - e;								\
})

/* The same of as many as fit into @same, up to the next entry that is a table. */
#define scan_table(type, from, nr, mask, pages, same, max, done)	\
({									\
	__auto_type p = (const type##_t *)(from);			\
	unsigned int runs = 0;						\
									\
	(done) = 0;							\
	while ((done) < (nr) && runs < (max)) {				\
		if ((done) && !stops(type, READ_ONCE(p[done])))		\
			break;						\
		(done) += alike(type, p + (done), (nr) - (done), mask, pages, (same) + runs);	\
		runs++;							\
	}								\
	runs;								\
})

/* The lowest level has no tables. */
#define pte_leaf(e) ((void)(e), true)
#define pte_bad(e) ((void)(e), false)

/**
 * mmlens_scan_tables() - summarise the entries that an address ends at, once
 * @mm: the address space; the caller holds its mmap lock
 * @addr: an address inside of a VMA found under that lock
 * @end: where that VMA ends, or before; above @addr
 * @scan: what makes entries alike
 * @max: room in @same, at least 1
 * @s: gets the way down, how many entries from there on were read, and where they are
 * @same: gets runs of entries that are alike
 *
 * Nothing is copied but the first entry of each run. What is read twice is what was
 * found to be of no run, and is taken as it is then.
 *
 * Context: Process context; interrupts are off for a look at one table: 512 entries, or
 * 2,048 of 16K and 8,192 of 64K. If few are alike, each is loaded about a dozen times.
 *
 * Return: how many runs there are in @same, at least 1.
 */
unsigned int mmlens_scan_tables(struct mm_struct *mm, unsigned long addr, unsigned long end,
				const struct mmlens_scan *scan, unsigned int max,
				struct mmlens_snapshot *s, struct mmlens_same *same)
{
	unsigned int level, nr, shift, runs = 0;
	unsigned long flags;
	struct spot spot;
	u64 mask;

	*s = (struct mmlens_snapshot) { };

	local_irq_save(flags);
	level = descend(mm, addr, PTE, s->path, &spot);
	shift = scan->shift[level];
	mask = scan->mask[level];
	nr = min_t(unsigned long, spot.left, ((end - 1) >> shift) - (addr >> shift) + 1);
	switch (spot.type) {
	case PTE:
		runs = scan_table(pte, spot.entry, nr, mask, 1, same, max, s->nr);
		break;
	case PMD:
		runs = scan_table(pmd, spot.entry, nr, mask, PTRS_PER_PTE, same, max, s->nr);
		break;
	case PUD:
		runs = scan_table(pud, spot.entry, nr, mask, PUD_SIZE / PAGE_SIZE, same, max,
				  s->nr);
		break;
	case P4D:
		runs = scan_table(p4d, spot.entry, nr, mask, 1, same, max, s->nr);
		break;
	case PGD:
		runs = scan_table(pgd, spot.entry, nr, mask, 1, same, max, s->nr);
		break;
	}
	s->reached = level;
	s->address = virt_to_phys(spot.entry);
	local_irq_restore(flags);
	return runs;
}
