// SPDX-License-Identifier: GPL-2.0
/* kernel/layout, against /proc/kcore, kallsyms, iomem, modules and the manual's constants. */
#include <elf.h>
#include <fcntl.h>

#include "kselftest_harness.h"
#include "lib/kernel.h"
#include "lib/lens.h"
#include "lib/util.h"

#ifdef __x86_64__
#define DIRECT_MAP "direct-map"
#else
#define DIRECT_MAP "linear-map"
#endif

FIXTURE(layout)
{
	struct kernel_text all;
};

FIXTURE_SETUP(layout)
{
	ASSERT_EQ(0, kernel_layout(&self->all));
	ASSERT_LT(5, self->all.nr_regions);
}

FIXTURE_TEARDOWN(layout)
{
	kernel_free(&self->all);
}

/* The address of a symbol of the kernel, or 0. */
static uint64_t symbol(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	uint64_t address = 0;
	char line[1024], word[512];

	while (f && fgets(line, sizeof(line), f)) {
		/* Those of modules have a fourth column. */
		if (sscanf(line, "%lx %*c %511s", &address, word) == 2 && !strcmp(word, name) &&
		    !strchr(line, '['))
			break;
		address = 0;
	}
	if (f)
		fclose(f);
	return address;
}

/* The picture is of all addresses, and no two regions have the same ones. */
TEST_F(layout, covers_everything_once)
{
	const struct kernel_region *whole = NULL;
	uint64_t next = 0;

	for (size_t i = 0; i < self->all.nr_regions; i++) {
		const struct kernel_region *r = &self->all.region[i];

		EXPECT_LE(r->start, r->last) TH_LOG("%s", r->name);
		if (r->part) {
			ASSERT_NE(NULL, whole);
			EXPECT_LE(whole->start, r->start) TH_LOG("%s", r->name);
			EXPECT_GE(whole->last, r->last) TH_LOG("%s", r->name);
			continue;
		}
		EXPECT_EQ(next, r->start) TH_LOG("%s", r->name);
		next = r->last + 1;
		whole = r;
	}
	EXPECT_EQ(0, next);
	EXPECT_EQ(NULL, strstr(self->all.text, "overlap"));
}

TEST_F(layout, the_image_is_where_kallsyms_has_it)
{
	const struct kernel_region *image = kernel_find(&self->all, "image");

	ASSERT_NE(NULL, image);
	EXPECT_TRUE(image->part);
	EXPECT_EQ(symbol("_text"), image->start);
	EXPECT_EQ(symbol("_end"), image->last + 1);
}

TEST_F(layout, the_image_is_where_iomem_has_it)
{
	char *iomem = read_file("/proc/iomem", NULL);
	char *line = iomem ? strstr(iomem, "Kernel code") : NULL;

	ASSERT_NE(NULL, line);
	while (line > iomem && line[-1] != '\n')
		line--;
	EXPECT_EQ(strtoull(line, NULL, 16), kernel_number(&self->all, "image_phys"));
	free(iomem);
}

TEST_F(layout, this_module_is_among_the_modules)
{
	char *text = read_file("/proc/modules", NULL);
	const struct kernel_region *modules = kernel_find(&self->all, "modules");
	const struct kernel_region *vmalloc = kernel_find(&self->all, "vmalloc");
	const char *line = text ? strstr(text, "mmlens ") : NULL;
	uint64_t address;

	ASSERT_NE(NULL, line);
	ASSERT_EQ(1, sscanf(line, "%*s %*s %*s %*s %*s 0x%lx", &address));
	ASSERT_NE(NULL, modules);
	ASSERT_NE(NULL, vmalloc);
	/* arm64 puts modules near the image, which is in the vmalloc area, when it can. */
	EXPECT_TRUE((modules->start <= address && address <= modules->last) ||
		    (vmalloc->start <= address && address <= vmalloc->last && sizeof(long) == 8 &&
		     kernel_find(&self->all, "linear-map")));
	free(text);
}

/* Segments of /proc/kcore are the regions, or what is used of them. */
TEST_F(layout, kcore_agrees)
{
	const struct kernel_region *direct = kernel_find(&self->all, DIRECT_MAP);
	const struct kernel_region *vmemmap = kernel_find(&self->all, "vmemmap");
	const struct kernel_region *ram = kernel_find(&self->all, "ram");
	const struct kernel_region *image = kernel_find(&self->all, "image");
	int fd = open("/proc/kcore", O_RDONLY);
	unsigned int exact = 0, nr_ram = 0;
	uint64_t highest = 0;
	Elf64_Ehdr header;

	if (fd < 0 && errno == ENOENT)
		SKIP(return, "a kernel without /proc/kcore");
	ASSERT_LE(0, fd);
	ASSERT_NE(NULL, direct);
	ASSERT_NE(NULL, ram);
	ASSERT_NE(NULL, vmemmap);
	ASSERT_NE(NULL, image);
	ASSERT_EQ(sizeof(header), pread(fd, &header, sizeof(header), 0));
	for (int i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr p;
		uint64_t last;
		bool known = false;

		ASSERT_EQ(sizeof(p), pread(fd, &p, sizeof(p), header.e_phoff + i * sizeof(p)));
		if (p.p_type != PT_LOAD)
			continue;
		last = p.p_vaddr + p.p_memsz - 1;
		for (size_t j = 0; j < self->all.nr_regions; j++) {
			const struct kernel_region *r = &self->all.region[j];

			/* x86_64's VMALLOC_END is the last byte, which kcore leaves out. */
			if (r->start == p.p_vaddr && (r->last == last || r->last == last + 1)) {
				known = true;
				exact += !strcmp(r->name, "vmalloc") || !strcmp(r->name, "modules");
			}
		}
		if (direct->start <= p.p_vaddr && last <= direct->last) {
			EXPECT_LE(ram->start, p.p_vaddr);
			EXPECT_GE(ram->last, last);
			/* Where physical memory is mapped to. */
#ifdef __x86_64__
			EXPECT_EQ(direct->start, p.p_vaddr - p.p_paddr);
#else
			EXPECT_EQ(kernel_number(&self->all, "linear_voffset"),
				  p.p_vaddr - p.p_paddr);
#endif
			if (last > highest)
				highest = last;
			nr_ram++;
			known = true;
		}
		known |= vmemmap->start <= p.p_vaddr && last <= vmemmap->last;
		EXPECT_TRUE(known) TH_LOG("kcore has %lx-%lx", p.p_vaddr, last + 1);
	}
	EXPECT_LT(0, nr_ram);
	EXPECT_EQ(highest, ram->last);
	/* One of each, and modules are a part of the vmalloc area nowhere. */
	EXPECT_EQ(2, exact);
	close(fd);
}

#ifdef __x86_64__

/* Documentation/arch/x86/x86_64/mm.rst has the places without randomisation. */
TEST_F(layout, offsets_are_from_the_documented_places)
{
	bool five = kernel_number(&self->all, "address_bits") == 57;
	char *cpuinfo = read_file("/proc/cpuinfo", NULL);
	const struct { const char *offset, *region; uint64_t place; } of[] = {
		{ "kaslr_direct_map", "direct-map",
		  five ? 0xff11000000000000 : 0xffff888000000000 },
		{ "kaslr_vmalloc", "vmalloc", five ? 0xffa0000000000000 : 0xffffc90000000000 },
		{ "kaslr_vmemmap", "vmemmap", five ? 0xffd4000000000000 : 0xffffea0000000000 },
		{ "kaslr_image", "image", 0xffffffff81000000 },
	};

	ASSERT_NE(NULL, cpuinfo);
	EXPECT_EQ(five, !!strstr(cpuinfo, " la57"));
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		const struct kernel_region *r = kernel_find(&self->all, of[i].region);

		ASSERT_NE(NULL, r);
		EXPECT_EQ(r->start - of[i].place, kernel_number(&self->all, of[i].offset))
			TH_LOG("%s", r->name);
	}
	free(cpuinfo);
}

TEST_F(layout, regions_without_randomisation_are_the_documented_ones)
{
	static const struct { const char *name; uint64_t start, end; bool may_be_missing; } of[] = {
		{ "cpu-entry-area", 0xfffffe0000000000, 0xfffffe8000000000, false },
		{ "espfix", 0xffffff0000000000, 0xffffff8000000000, true },
		{ "efi", 0xffffffef00000000, 0xffffffff00000000, true },
		{ "vsyscall", 0xffffffffff600000, 0xffffffffff601000, true },
	};
	bool five = kernel_number(&self->all, "address_bits") == 57;
	const struct kernel_region *r;

	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		r = kernel_find(&self->all, of[i].name);
		if (!r && of[i].may_be_missing)
			continue;
		ASSERT_NE(NULL, r) TH_LOG("%s", of[i].name);
		EXPECT_EQ(of[i].start, r->start) TH_LOG("%s", r->name);
		EXPECT_EQ(of[i].end, r->last + 1) TH_LOG("%s", r->name);
	}
	r = kernel_find(&self->all, "kernel-map");
	ASSERT_NE(NULL, r);
	EXPECT_EQ(0xffffffff80000000, r->start);
	r = kernel_find(&self->all, "non-canonical");
	ASSERT_NE(NULL, r);
	EXPECT_EQ(five ? 1UL << 56 : 1UL << 47, r->start);
	r = kernel_find(&self->all, "kasan");
	if (r) {
		EXPECT_EQ(0xfffffc0000000000, r->last + 1);
	}
}

#else

TEST_F(layout, offsets_are_those_of_the_symbols)
{
	const struct kernel_region *image = kernel_find(&self->all, "image");
	const struct kernel_region *modules = kernel_find(&self->all, "modules");

	ASSERT_NE(NULL, image);
	ASSERT_NE(NULL, modules);
	/* The image is linked to the end of the modules (KIMAGE_VADDR). */
	EXPECT_EQ(image->start, modules->last + 1 + kernel_number(&self->all, "kaslr_image"));
	EXPECT_EQ(image->start - kernel_number(&self->all, "image_phys"),
		  kernel_number(&self->all, "kimage_voffset"));
}

#endif

TEST_HARNESS_MAIN
