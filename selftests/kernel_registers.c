// SPDX-License-Identifier: GPL-2.0
/* kernel/registers, against cpuinfo, the kernel's log, the auxiliary vector and the other files. */
#include <sched.h>
#include <sys/auxv.h>
#include <sys/klog.h>
#ifdef __x86_64__
#include <asm/processor-flags.h>
#endif

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/util.h"

FIXTURE(registers)
{
	char *text;
};

FIXTURE_SETUP(registers)
{
	self->text = read_file(LENS "/kernel/registers", NULL);
	ASSERT_NE(NULL, self->text);
}

FIXTURE_TEARDOWN(registers)
{
	free(self->text);
}

/* The line of a register from its value on, to be freed; "" if there is none. */
static char *line_of(const char *text, const char *name)
{
	char pattern[40];
	const char *line;

	snprintf(pattern, sizeof(pattern), "%s: ", name);
	line = strstr(text, pattern);
	while (line && line != text && line[-1] != '\n')
		line = strstr(line + 1, pattern);
	if (!line)
		return strdup("");
	line += strlen(pattern);
	return strndup(line, strcspn(line, "\n"));
}

static uint64_t value_of(const char *text, const char *name)
{
	char *line = line_of(text, name);
	uint64_t value = strtoull(line, NULL, 0);

	free(line);
	return value;
}

/* Whether the line has the word. */
static bool says(const char *text, const char *name, const char *word)
{
	char *line = line_of(text, name), *rest = line, *next;
	bool found = false;

	while (!found && (next = strsep(&rest, " ")))
		found = !strcmp(next, word);
	free(line);
	return found;
}

/* The text after @begin in the log of the kernel, to the end of its line; to be freed, or NULL. */
static char *from_log(const char *begin)
{
	int size = klogctl(10, NULL, 0);	/* SYSLOG_ACTION_SIZE_BUFFER */
	char *log = calloc(1, size + 1), *found = NULL;

	if (log && klogctl(3, log, size) > 0) {	/* SYSLOG_ACTION_READ_ALL */
		found = strstr(log, begin);
		if (found) {
			found += strlen(begin);
			found = strndup(found, strcspn(found, "\n"));
		}
	}
	free(log);
	return found;
}

TEST_F(registers, are_of_the_processor_that_reads_them)
{
	cpu_set_t before, one;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(before), &before));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		char *text;

		if (!CPU_ISSET(cpu, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
		text = read_file(LENS "/kernel/registers", NULL);
		ASSERT_NE(NULL, text);
		EXPECT_EQ((uint64_t)cpu, value_of(text, "cpu"));
		free(text);
	}
}

/* The root of the tables that translate this program's addresses. */
static uint64_t root_of(const char *text, const char *name)
{
	char *line = line_of(text, name);
	const char *root = strstr(line, " root=");
	uint64_t value = root ? strtoull(root + 6, NULL, 16) : 0;

	free(line);
	return value;
}

#ifdef __x86_64__

/* cpuinfo names what the kernel uses, not only what the processor can do. */
TEST_F(registers, agree_with_cpuinfo)
{
	static const struct {
		const char *reg;
		uint64_t bit;
		const char *name, *cpuinfo;
	} of[] = {
		{ "CR4", X86_CR4_LA57, "LA57", "la57" }, { "CR4", X86_CR4_SMEP, "SMEP", "smep" },
		{ "CR4", X86_CR4_SMAP, "SMAP", "smap" }, { "CR4", X86_CR4_PKE, "PKE", "ospke" },
		{ "CR4", X86_CR4_PCIDE, "PCIDE", "pcid" },
		{ "CR4", X86_CR4_PGE, "PGE", "pge" },
		{ "CR4", X86_CR4_FSGSBASE, "FSGSBASE", "fsgsbase" },
		{ "CR4", X86_CR4_OSXSAVE, "OSXSAVE", "xsave" }, { "EFER", 1 << 11, "NX", "nx" },
		{ "EFER", 1 << 0, "SCE", "syscall" }, { "EFER", 1 << 10, "LMA", "lm" },
		{ "CR4", X86_CR4_PAE, "PAE", "pae" }, { "CR0", X86_CR0_NE, "NE", "fpu" },
	};
	char *cpuinfo = read_file("/proc/cpuinfo", NULL);
	char *flags = cpuinfo ? strstr(cpuinfo, "flags\t") : NULL;

	ASSERT_NE(NULL, flags);
	flags[strcspn(flags, "\n")] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		char word[24], *found;
		bool has;

		snprintf(word, sizeof(word), " %s", of[i].cpuinfo);
		found = strstr(flags, word);
		while (found && found[strlen(word)] && found[strlen(word)] != ' ')
			found = strstr(found + 1, word);
		has = found;
		EXPECT_EQ(has, !!(value_of(self->text, of[i].reg) & of[i].bit)) TH_LOG("%s", word);
		EXPECT_EQ(has, says(self->text, of[i].reg, of[i].name)) TH_LOG("%s", word);
	}
	/* Without these the test could not run. */
	EXPECT_EQ(X86_CR0_PG | X86_CR0_WP | X86_CR0_PE,
		  value_of(self->text, "CR0") & (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE));
	free(cpuinfo);
}

/* The kernel logs how it has programmed the PAT. */
TEST_F(registers, memory_types_are_those_of_the_log)
{
	char *log = from_log("x86/PAT: Configuration [0-7]: "), *rest = log, *type;
	char *line = line_of(self->text, "PAT");
	int index = 0;

	ASSERT_STRNE("", line);
	if (!log) {
		free(line);
		SKIP(return, "the kernel's log does not go back that far");
	}
	while ((type = next_word(&rest))) {
		char word[16];

		snprintf(word, sizeof(word), "%d=%s", index++, type);
		EXPECT_TRUE(says(self->text, "PAT", word)) TH_LOG("%s in %s", word, line);
	}
	EXPECT_EQ(8, index);
	free(log);
	free(line);
}

TEST_F(registers, the_root_is_the_pgd)
{
	EXPECT_NE(0, root_of(self->text, "CR3"));
	EXPECT_EQ(lens_mm_number(0, "pgd"), root_of(self->text, "CR3"));
}

#else

TEST_F(registers, agree_with_what_programs_see)
{
	uint64_t tcr = value_of(self->text, "TCR_EL1"), mmfr2;
	char *layout = read_file(LENS "/kernel/layout", NULL);
	char bits[24];

	ASSERT_NE(NULL, layout);
	/* The granule of user space: 4K, 64K, 16K. */
	EXPECT_EQ(sysconf(_SC_PAGESIZE) == 4096 ? 0 : sysconf(_SC_PAGESIZE) == 65536 ? 1 : 2,
		  (long)(tcr >> 14 & 3));
	EXPECT_TRUE(says(self->text, "TCR_EL1", sysconf(_SC_PAGESIZE) == 4096 ? "TG0=4K" :
			 sysconf(_SC_PAGESIZE) == 65536 ? "TG0=64K" : "TG0=16K"));
	snprintf(bits, sizeof(bits), "T1SZ=%lu(%lu-bit)", tcr >> 16 & 63, 64 - (tcr >> 16 & 63));
	EXPECT_TRUE(says(self->text, "TCR_EL1", bits)) TH_LOG("%s", bits);
	EXPECT_EQ(value_of(layout, "address_bits"), 64 - (tcr >> 16 & 63));
	/* The kernel emulates reading ID registers, with what programs may know. */
	if (getauxval(AT_HWCAP) & (1 << 11)) {	/* HWCAP_CPUID */
		asm("mrs %0, s3_0_c0_c7_2" : "=r"(mmfr2));
		EXPECT_EQ(mmfr2 >> 32 & 15, value_of(self->text, "ID_AA64MMFR2_EL1") >> 32 & 15);
	}
	EXPECT_EQ(!!(getauxval(AT_HWCAP) & (1 << 25)),	/* HWCAP_USCAT */
		  says(self->text, "ID_AA64MMFR2_EL1", "AT=yes"));
	/* Tagged addresses are an ABI (Documentation/arch/arm64/tagged-pointers.rst). */
	EXPECT_TRUE(says(self->text, "TCR_EL1", "TBI0"));
	EXPECT_TRUE(says(self->text, "SCTLR_EL1", "M"));
	free(layout);
}

TEST_F(registers, the_exception_level_is_that_of_the_log)
{
	char *level = from_log("CPU: All CPU(s) started at EL");

	if (!level)
		SKIP(return, "the kernel's log does not go back that far");
	/* A kernel that was started at EL2 stays there if it can (VHE). */
	if (*level == '1') {
		EXPECT_TRUE(says(self->text, "CurrentEL", "EL=1"));
	}
	free(level);
}

/* What the kernel writes to it, by index (MT_* in asm/memory.h). */
TEST_F(registers, memory_types_are_those_of_the_kernel)
{
	EXPECT_TRUE(says(self->text, "MAIR_EL1", "0=WB"));
	EXPECT_TRUE(says(self->text, "MAIR_EL1", "2=NC"));
	EXPECT_TRUE(says(self->text, "MAIR_EL1", "3=nGnRnE"));
	EXPECT_TRUE(says(self->text, "MAIR_EL1", "4=nGnRE"));
}

TEST_F(registers, the_root_is_the_pgd)
{
	EXPECT_NE(0, root_of(self->text, "TTBR0_EL1"));
	EXPECT_EQ(lens_mm_number(0, "pgd"), root_of(self->text, "TTBR0_EL1"));
	EXPECT_NE(root_of(self->text, "TTBR0_EL1"), root_of(self->text, "TTBR1_EL1"));
}

#endif

/* A line that cannot be read says so; every other has a value of 16 digits. */
TEST_F(registers, every_line_has_a_value)
{
	char *rest = self->text, *line;

	while ((line = strsep(&rest, "\n")) && *line) {
		char *value = strstr(line, ": ");

		ASSERT_NE(NULL, value) TH_LOG("%s", line);
		if (!strncmp(line, "cpu: ", 5) || !strncmp(value, ": not known: ", 13))
			continue;
		EXPECT_EQ(0, strncmp(value, ": 0x", 4)) TH_LOG("%s", line);
		EXPECT_EQ(18, strcspn(value + 2, " ")) TH_LOG("%s", line);
	}
}

TEST_HARNESS_MAIN
