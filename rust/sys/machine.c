// SPDX-License-Identifier: GPL-2.0
/*
 * The machine as the running kernel has it: the regions of its address space and
 * the registers of memory management. Tables of the kernel's own macros and
 * one-instruction inlines, one set for each architecture: what they mean, and
 * how they are shown, is Rust's affair.
 */
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include <asm/fixmap.h>
#include <asm/kasan.h>

#ifdef CONFIG_X86_64
#include <asm/cpu_entry_area.h>
#include <asm/msr.h>
#include <asm/special_insns.h>
#include <uapi/asm/vsyscall.h>
#endif

#include "../helpers.h"

/* From @first to @last, both inclusive. */
#define REGION(region, first, end, meaning)				\
	{ .name = (region), .what = (meaning),				\
	  .start = (__u64)(first), .last = (__u64)(end) }
#define OFFSET(offset, number, meaning)					\
	{ .name = (offset), .what = (meaning), .value = (__u64)(number) }
/* Of either sign: that place need not be in memory. */
#define DISTANCE(offset, number, meaning)				\
	{ .name = (offset), .what = (meaning), .relative = true, .value = (__u64)(number) }
/* Of a base that is chosen at boot, from the one without randomisation. */
#define MOVED(offset, base, l4, l5)					\
	{ .name = (offset), .what = #base " from its default", .relative = true,	\
	  .value = (base) - (pgtable_l5_enabled() ? (l5) : (l4)) }
#define REGISTER(reg, number)						\
	{ .name = (reg), .value = (number), .known = true }

/* Index 0 is a page at the top on x86_64, and a hole above the top on arm64. */
#ifdef CONFIG_ARM64
#define FIXMAP_LAST	(FIXADDR_TOP - 1)
#else
#define FIXMAP_LAST	(FIXADDR_TOP + PAGE_SIZE - 1)
#endif
#define FIXMAP_START	__fix_to_virt(__end_of_fixed_addresses - 1)

#ifdef CONFIG_X86_64

/*
 * The last physical address that the direct map has room for. The variable
 * direct_map_physmem_end, which the randomisation sets, is not exported; this
 * function returns it.
 */
static u64 direct_map_last(void)
{
#if defined(CONFIG_MEMORY_HOTPLUG)
	return mhp_get_pluggable_range(false).end;
#elif !defined(CONFIG_RANDOMIZE_MEMORY)
	return DIRECT_MAP_PHYSMEM_END;
#else
	return 0;	/* not known */
#endif
}

#define DIRECT_MAP_WHAT							\
	"direct map of physical memory (page_offset_base)"

unsigned int mmlens_read_regions(struct mmlens_region *regions, unsigned int max)
{
	u64 room = direct_map_last();
	u64 half = 1ULL << __VIRTUAL_MASK_SHIFT;
	const struct mmlens_region table[] = {
		REGION("user", 0, TASK_SIZE_MAX - 1, "user space, of each process its own"),
		REGION("guard", TASK_SIZE_MAX, half - 1, "guard page"),
		REGION("non-canonical", half, -half - 1, "no addresses"),
		REGION("hypervisor", GUARD_HOLE_BASE_ADDR, GUARD_HOLE_END_ADDR - 1,
		       "guard hole, for a hypervisor"),
#ifdef CONFIG_MODIFY_LDT_SYSCALL
		REGION("ldt", LDT_BASE_ADDR, LDT_END_ADDR - 1,
		       "LDT of a process, with page-table isolation"),
#endif
		REGION("direct-map", PAGE_OFFSET, room ? PAGE_OFFSET + room : 0,
		       room ? DIRECT_MAP_WHAT :
		       DIRECT_MAP_WHAT "; end not known: direct_map_physmem_end is not exported"),
		REGION("ram", PAGE_OFFSET, (u64)high_memory - 1,
		       "as far as there is memory (high_memory)"),
		REGION("vmalloc", VMALLOC_START, VMALLOC_END,
		       "vmalloc, vmap, ioremap (vmalloc_base)"),
		REGION("vmemmap", VMEMMAP_START,
		       room ? (u64)(pfn_to_page(PHYS_PFN(room)) + 1) - 1 : 0,
		       room ? "struct page of all page frames (vmemmap_base)" :
		       "struct page (vmemmap_base); end not known: as the direct map's"),
#ifdef CONFIG_KASAN
		REGION("kasan", KASAN_SHADOW_START, KASAN_SHADOW_END - 1, "KASAN shadow"),
#endif
		REGION("cpu-entry-area", CPU_ENTRY_AREA_BASE,
		       CPU_ENTRY_AREA_BASE + CPU_ENTRY_AREA_MAP_SIZE - 1,
		       "entry stacks, TSS, GDT and IDT of each processor"),
#ifdef CONFIG_X86_ESPFIX64
		REGION("espfix", ESPFIX_BASE_ADDR, ESPFIX_BASE_ADDR + P4D_SIZE - 1,
		       "stacks of returns to 16-bit segments"),
#endif
#ifdef CONFIG_EFI
		REGION("efi", EFI_VA_END, EFI_VA_START - 1,
		       "EFI runtime services, in tables of their own"),
#endif
		REGION("kernel-map", __START_KERNEL_map, MODULES_VADDR - 1,
		       "room of the kernel image (__START_KERNEL_map)"),
		REGION("modules", MODULES_VADDR, MODULES_END - 1, "modules, BPF programs"),
		REGION("fixmap", FIXMAP_START, FIXMAP_LAST, "addresses fixed at compile time"),
#ifdef CONFIG_X86_VSYSCALL_EMULATION
		REGION("vsyscall", VSYSCALL_ADDR, VSYSCALL_ADDR + PAGE_SIZE - 1,
		       "the legacy page that user space may call"),
#endif
	};
	unsigned int nr = min_t(unsigned int, max, ARRAY_SIZE(table));

	memcpy(regions, table, nr * sizeof(*table));
	return nr;
}

unsigned int mmlens_read_offsets(struct mmlens_offset *offsets, unsigned int max)
{
	const struct mmlens_offset table[] = {
		OFFSET("address_bits", __VIRTUAL_MASK_SHIFT + 1, NULL),
		MOVED("kaslr_direct_map", page_offset_base, __PAGE_OFFSET_BASE_L4,
		      __PAGE_OFFSET_BASE_L5),
		MOVED("kaslr_vmalloc", vmalloc_base, __VMALLOC_BASE_L4, __VMALLOC_BASE_L5),
		MOVED("kaslr_vmemmap", vmemmap_base, __VMEMMAP_BASE_L4, __VMEMMAP_BASE_L5),
		DISTANCE("phys_base", phys_base, "physical address of __START_KERNEL_map"),
	};
	unsigned int nr = min_t(unsigned int, max, ARRAY_SIZE(table));

	memcpy(offsets, table, nr * sizeof(*table));
	return nr;
}

void mmlens_read_image(struct mmlens_image *image)
{
	*image = (struct mmlens_image) {
		.inside = (u64)_printk,
		.floor = __START_KERNEL_map,
		.ceiling = MODULES_VADDR,
		.linked = __START_KERNEL,
		.head = 0,
		.physical = phys_base - __START_KERNEL_map,
		.complete = IS_ENABLED(CONFIG_KALLSYMS_ALL),
	};
}

unsigned int mmlens_read_registers(struct mmlens_register *registers, unsigned int max,
				   unsigned int *cpu)
{
	struct mmlens_register efer = { .name = "EFER" };
	struct mmlens_register pat = { .name = "PAT" };
	struct mmlens_register mtrr = { .name = "MTRRdefType" };
	unsigned int nr;

	/* All of one processor. */
	preempt_disable();
	*cpu = smp_processor_id();
	/* A hypervisor may refuse any of them. */
	efer.known = !rdmsrq_safe(MSR_EFER, &efer.value);
	pat.known = !rdmsrq_safe(MSR_IA32_CR_PAT, &pat.value);
	mtrr.known = !rdmsrq_safe(MSR_MTRRdefType, &mtrr.value);
	{
		const struct mmlens_register table[] = {
			REGISTER("CR0", read_cr0()),
			REGISTER("CR3", __read_cr3()),
			REGISTER("CR4", __read_cr4()),
			efer, pat, mtrr,
		};

		nr = min_t(unsigned int, max, ARRAY_SIZE(table));
		memcpy(registers, table, nr * sizeof(*table));
	}
	preempt_enable();
	return nr;
}

void mmlens_read_kernel_root(struct mmlens_kernel_root *root)
{
	/* The kernel's half is the same in the tables of all processes. */
	*root = (struct mmlens_kernel_root) {
		.root = read_cr3_pa(),
		.address_bits = __VIRTUAL_MASK_SHIFT + 1,
	};
}

#endif /* CONFIG_X86_64 */

#ifdef CONFIG_ARM64

unsigned int mmlens_read_regions(struct mmlens_region *regions, unsigned int max)
{
	u64 linear = _PAGE_OFFSET(vabits_actual);
	const struct mmlens_region table[] = {
		REGION("user", 0, TASK_SIZE_64 - 1, "user space, of each process its own (TTBR0)"),
		REGION("non-canonical", TASK_SIZE_64, linear - 1, "no addresses"),
		REGION("linear-map", linear, PAGE_END - 1, "linear map of physical memory"),
		REGION("ram", __phys_to_virt(PHYS_OFFSET) < linear ? linear :
		       __phys_to_virt(PHYS_OFFSET), (u64)high_memory - 1,
		       "as far as there is memory (high_memory)"),
#if defined(CONFIG_KASAN_GENERIC) || defined(CONFIG_KASAN_SW_TAGS)
		REGION("kasan", KASAN_SHADOW_START, KASAN_SHADOW_END - 1, "KASAN shadow"),
#endif
		REGION("modules", MODULES_VADDR, MODULES_END - 1, "modules, BPF programs"),
		REGION("vmalloc", VMALLOC_START, VMALLOC_END - 1, "vmalloc, vmap, ioremap"),
		REGION("vmemmap", virt_to_page((void *)linear), VMEMMAP_END - 1,
		       "struct page of all page frames"),
		REGION("pci-io", PCI_IO_START, PCI_IO_END - 1, "I/O ports of PCI"),
		REGION("fixmap", FIXMAP_START, FIXMAP_LAST, "addresses fixed at compile time"),
	};
	unsigned int nr = min_t(unsigned int, max, ARRAY_SIZE(table));

	memcpy(regions, table, nr * sizeof(*table));
	return nr;
}

unsigned int mmlens_read_offsets(struct mmlens_offset *offsets, unsigned int max)
{
	const struct mmlens_offset table[] = {
		OFFSET("address_bits", vabits_actual, NULL),
		OFFSET("kimage_voffset", kimage_voffset,
		       "virtual minus physical address of the image"),
		DISTANCE("memstart_addr", memstart_addr,
			 "physical address that PAGE_OFFSET stands for"),
		OFFSET("linear_voffset", PAGE_OFFSET - memstart_addr,
		       "virtual minus physical address in the linear map"),
	};
	unsigned int nr = min_t(unsigned int, max, ARRAY_SIZE(table));

	memcpy(offsets, table, nr * sizeof(*table));
	return nr;
}

void mmlens_read_image(struct mmlens_image *image)
{
	*image = (struct mmlens_image) {
		.inside = (u64)_printk,
		.floor = KIMAGE_VADDR,
		.ceiling = VMALLOC_END,
		.linked = KIMAGE_VADDR,
		/* The section of the header is in front (vmlinux.lds.S). */
		.head = SEGMENT_ALIGN,
		.physical = -kimage_voffset,
		.complete = IS_ENABLED(CONFIG_KALLSYMS_ALL),
	};
}

unsigned int mmlens_read_registers(struct mmlens_register *registers, unsigned int max,
				   unsigned int *cpu)
{
	unsigned int nr;

	/* All of one processor. */
	preempt_disable();
	*cpu = smp_processor_id();
	{
		const struct mmlens_register table[] = {
			REGISTER("CurrentEL", read_sysreg(CurrentEL)),
			REGISTER("SCTLR_EL1", read_sysreg(sctlr_el1)),
			REGISTER("TCR_EL1", read_sysreg(tcr_el1)),
			REGISTER("TTBR0_EL1", read_sysreg(ttbr0_el1)),
			REGISTER("TTBR1_EL1", read_sysreg(ttbr1_el1)),
			REGISTER("MAIR_EL1", read_sysreg(mair_el1)),
			REGISTER("ID_AA64MMFR0_EL1", read_sysreg_s(SYS_ID_AA64MMFR0_EL1)),
			REGISTER("ID_AA64MMFR1_EL1", read_sysreg_s(SYS_ID_AA64MMFR1_EL1)),
			REGISTER("ID_AA64MMFR2_EL1", read_sysreg_s(SYS_ID_AA64MMFR2_EL1)),
			REGISTER("ID_AA64MMFR3_EL1", read_sysreg_s(SYS_ID_AA64MMFR3_EL1)),
		};

		nr = min_t(unsigned int, max, ARRAY_SIZE(table));
		memcpy(registers, table, nr * sizeof(*table));
	}
	preempt_enable();
	return nr;
}

void mmlens_read_kernel_root(struct mmlens_kernel_root *root)
{
	u64 ttbr = read_sysreg(ttbr1_el1);

	*root = (struct mmlens_kernel_root) {
#ifdef CONFIG_ARM64_PA_BITS_52
		/* phys_to_ttbr() */
		.root = (ttbr & GENMASK_ULL(47, 6)) | (ttbr & GENMASK_ULL(5, 2)) << 46,
#else
		.root = ttbr & GENMASK_ULL(47, 1),
#endif
		.address_bits = vabits_actual,
	};
}

#endif /* CONFIG_ARM64 */
