// SPDX-License-Identifier: GPL-2.0
/*
 * The look at the page tables: the only C function of mmlens with a body of
 * its own, because every accessor in it is an inline or a macro that the
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

#include "helpers.h"

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

/*
 * Notes the level @name, and if it is wanted copies entries from @p to the end of
 * its table and says where they are. Works on the arguments of
 * mmlens_read_tables(). Where x86_64 folds a level at run time, PTRS_PER_P4D is 1,
 * and so is what is copied at a time.
 */
#define visit(type, name, p, index, ptrs)				\
({									\
	unsigned int found = (name);					\
									\
	s->reached = found;						\
	if (found == level) {							\
		s->nr = min_t(unsigned int, max, (ptrs) - (index));	\
		for (unsigned int i = 0; i < s->nr; i++)		\
			entries[i] = type##_val(READ_ONCE((p)[i]));	\
		s->address = virt_to_phys(p);				\
	}								\
	found == level;							\
})

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
	pgd_t *pgdp, pgd;
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;
	pte_t *ptep;

	*s = (struct mmlens_snapshot) { };

	local_irq_save(flags);

	pgdp = pgd_offset(mm, addr);
	if (!mm_p4d_folded(mm) &&
	    visit(pgd, PGD, pgdp, pgd_index(addr), PTRS_PER_PGD))
		goto out;
	pgd = READ_ONCE(*pgdp);
	s->path[PGD] = pgd_val(pgd);
	if (pgd_none(pgd) || !pgd_present(pgd) || pgd_leaf(pgd) || pgd_bad(pgd))
		goto out;

	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4dp = unfold(p4dp, pgd, pgdp);
	if (!mm_pud_folded(mm) &&
	    visit(p4d, P4D_NAME(mm), p4dp, p4d_index(addr), PTRS_PER_P4D))
		goto out;
	p4d = READ_ONCE(*p4dp);
	s->path[P4D_NAME(mm)] = p4d_val(p4d);
	if (p4d_none(p4d) || !p4d_present(p4d) || p4d_leaf(p4d) || p4d_bad(p4d))
		goto out;

	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pudp = unfold(pudp, p4d, p4dp);
	if (!mm_pmd_folded(mm) &&
	    visit(pud, PUD_NAME(mm), pudp, pud_index(addr), PTRS_PER_PUD))
		goto out;
	pud = READ_ONCE(*pudp);
	s->path[PUD_NAME(mm)] = pud_val(pud);
	if (pud_none(pud) || !pud_present(pud) || pud_leaf(pud) || pud_bad(pud))
		goto out;

	pmdp = pmd_offset_lockless(pudp, pud, addr);
	pmdp = unfold(pmdp, pud, pudp);
	if (visit(pmd, PMD_NAME(mm), pmdp, pmd_index(addr), PTRS_PER_PMD))
		goto out;
	pmd = READ_ONCE(*pmdp);
	s->path[PMD_NAME(mm)] = pmd_val(pmd);
	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd) || pmd_bad(pmd))
		goto out;

	ptep = pte_offset_kernel(&pmd, addr);
	visit(pte, PTE, ptep, pte_index(addr), PTRS_PER_PTE);
out:
	local_irq_restore(flags);
}
