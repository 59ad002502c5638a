// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the machine is what the name of its test cell says: if a word for the kernel or for
 * QEMU is lost on the way, all else passes, and proves less than one thinks. The words are told
 * by `run --booted`; none of this asks mmlens.
 */
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <glob.h>

#include "kselftest_harness.h"
#include "lib/util.h"

#ifdef __aarch64__
#include <asm/hwcap.h>
#endif

/* What is told of @key, as key=value; NULL: nothing. */
static const char *told(const char *key)
{
	static char value[64];
	const char *words = getenv("MMLENS_BOOTED"), *word;
	char wanted[32];

	snprintf(wanted, sizeof(wanted), " %s=", key);
	word = words ? strstr(words, wanted) : NULL;
	return word && sscanf(word + strlen(wanted), "%63s", value) == 1 ? value : NULL;
}

#define TOLD(key) ({ \
	const char *told_ = told(key); \
	if (!told_) \
		SKIP(return, "nobody has told its " key); \
	told_; \
})

TEST(kernel_is_the_one)
{
	const char *release = TOLD("release");
	struct utsname name;

	ASSERT_EQ(0, uname(&name));
	EXPECT_STREQ(release, name.release);
}

TEST(pages_are_so_large)
{
	EXPECT_EQ(atoi(TOLD("page")), getpagesize());
}

/* More than 47 or 48 bits: with 5 levels, or with 52-bit addresses. */
TEST(addresses_are_so_wide)
{
	bool wide = !strcmp(TOLD("wide"), "1");
	char *hint = (char *)(1UL << 50), *map;

	map = mmap(hint, getpagesize(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(wide, map == hint);
}

TEST(page_tables_are_isolated)
{
	const char *pti = TOLD("pti");
	char *text = read_file("/proc/cpuinfo", NULL);

	ASSERT_NE(NULL, text);
	EXPECT_EQ(!strcmp(pti, "1"), !!strstr(text, " pti "));
	free(text);
}

TEST(there_are_so_many_nodes)
{
	unsigned long nodes = strtoul(TOLD("nodes"), NULL, 0);
	glob_t found;

	ASSERT_EQ(0, glob("/sys/devices/system/node/node[0-9]*", 0, NULL, &found));
	EXPECT_EQ(nodes, found.gl_pathc);
	globfree(&found);
}

TEST(there_is_a_gigantic_page)
{
	unsigned long pages = strtoul(TOLD("gigantic"), NULL, 0);

	EXPECT_EQ(pages, read_number("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"));
}

#ifdef __aarch64__
TEST(tags_are_there)
{
	EXPECT_EQ(!strcmp(TOLD("mte"), "1"), !!(getauxval(AT_HWCAP2) & HWCAP2_MTE));
}

TEST(pointers_are_signed)
{
	EXPECT_EQ(!strcmp(TOLD("pauth"), "1"), !!(getauxval(AT_HWCAP) & HWCAP_PACA));
}
#endif

TEST_HARNESS_MAIN
