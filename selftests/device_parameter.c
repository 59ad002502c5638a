// SPDX-License-Identifier: GPL-2.0
/* The module parameter setup: what a buffer is of which no ioctl has said anything. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 4
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(parameter)
{
	char *before;
	size_t size;
};

FIXTURE_SETUP(parameter)
{
	self->size = PAGES * page_size();
	self->before = read_file(SETUP_PARAMETER, NULL);
	ASSERT_NE(NULL, self->before);
}

FIXTURE_TEARDOWN(parameter)
{
	if (self->before)
		write_file(SETUP_PARAMETER, self->before);
	free(self->before);
}

/* The file is these words, and a newline. */
static bool parameter_is(const char *words)
{
	char *text = read_file(SETUP_PARAMETER, NULL);
	size_t len = strlen(words);
	bool is = text && !strncmp(text, words, len) && !strcmp(text + len, "\n");

	free(text);
	return is;
}

/* Whether an open file is, or will be, what the words say. */
static bool is_set_up(int fd, const char *words)
{
	struct mmlens_setup want = device_words(words, 0);
	struct mmlens_info info = device_info(fd);

	return info.strategy == want.strategy && info.page_kind == want.page_kind &&
	       info.cache == want.cache && info.flags == want.flags &&
	       (want.strategy != MMLENS_STRATEGY_AROUND || info.around == want.around) &&
	       (!info.bytes || info.backing == want.backing);
}

TEST_F(parameter, is_the_documented_one)
{
	struct stat st;

	EXPECT_TRUE(parameter_is(SETUP_DEFAULT));
	ASSERT_EQ(0, stat(SETUP_PARAMETER, &st));
	EXPECT_EQ(0644, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
}

TEST_F_TIMEOUT(parameter, decides_for_programs_that_say_nothing, 120)
{
	struct combo combo;

	for_each_combo(&combo) {
		char *map;
		int fd;

		ASSERT_EQ(0, write_file(SETUP_PARAMETER, combo.words)) TH_LOG("%s", combo.words);
		EXPECT_TRUE(parameter_is(combo.words));
		fd = device_open(O_RDWR);
		map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		ASSERT_NE(MAP_FAILED, map) TH_LOG("%s: %s", combo.words, strerror(errno));
		EXPECT_TRUE(is_set_up(fd, combo.words));
		EXPECT_TRUE(pages_are_zero(map, PAGES));
		fill_pages(map, PAGES, 1);
		EXPECT_TRUE(pages_have(map, PAGES, 1));
		munmap(map, self->size);
		close(fd);
	}
}

TEST_F(parameter, is_kept_if_words_do_not_go_together)
{
	struct combo combo;

	ASSERT_EQ(0, write_file(SETUP_PARAMETER, "vmap,pfnmap,eager,wc"));
	for (size_t i = 0; combo_at(i, &combo); i++) {
		if (!combo_errno(&combo))
			continue;
		EXPECT_EQ(-EOPNOTSUPP, write_file(SETUP_PARAMETER, combo.words))
			TH_LOG("%s", combo.words);
	}
	EXPECT_EQ(-EOPNOTSUPP, write_file(SETUP_PARAMETER, "ioremap,normal"));
	EXPECT_EQ(-EOPNOTSUPP, write_file(SETUP_PARAMETER, "ioremap"));
	EXPECT_TRUE(parameter_is("vmap,pfnmap,eager,wc"));
}

TEST_F(parameter, is_kept_if_words_cannot_be_read)
{
	static const char *const wrong[] = {
		"vmaloc", "VMALLOC", "vmallocs", "normal;wb", "vmap normal", "0", "-1",
		"vmalloc,vmap", "vmap,vmap", "normal,pfnmap", "lazy,eager", "lazy,around=8",
		"around=8,around=8", "wb,wc", "track,track", "nosplit,nosplit",
		"around=", "around=0", "around=3", "around=12", "around=-8", "around=+8",
		"around=0x8", "around=8 8", "around=4294967296", "around=18446744073709551616",
		"around=99999999999999999999999",
		",vmap", "vmap,", "vmap,,wc", "region=0", "\377\376", "vmap\t,wc",
	};
	char longest[4000];

	ASSERT_EQ(0, write_file(SETUP_PARAMETER, "vmap,pfnmap,wc"));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, write_file(SETUP_PARAMETER, wrong[i])) TH_LOG("%s", wrong[i]);
		EXPECT_TRUE(parameter_is("vmap,pfnmap,wc"));
	}
	memset(longest, 'v', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	EXPECT_EQ(-EINVAL, write_file(SETUP_PARAMETER, longest));
	EXPECT_TRUE(parameter_is("vmap,pfnmap,wc"));
	EXPECT_TRUE(is_set_up(device_open(O_RDWR), "vmap,pfnmap,lazy,wc"));
}

TEST_F(parameter, words_come_in_any_order_and_may_be_missing)
{
	static const struct {
		const char *list, *is;
	} lists[] = {
		{ "track", "vmalloc,normal,lazy,wb,track" },
		{ "vmap", "vmap,normal,lazy,wb" },
		{ "pfnmap\n", "vmalloc,pfnmap,lazy,wb" },
		{ "track,wb,lazy,normal,vmalloc", "vmalloc,normal,lazy,wb,track" },
		{ "wc,around=4,vmap,pfnmap", "vmap,pfnmap,around=4,wc" },
		{ "nosplit,mixed,eager", "vmalloc,mixed,eager,wb,nosplit" },
		{ "nosplit,track,sparse", "sparse,normal,lazy,wb,track,nosplit" },
		{ "around=1", "vmalloc,normal,around=1,wb" },
		{ "around=512,pfnmap", "vmalloc,pfnmap,around=512,wb" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		char *text;
		int fd;

		EXPECT_EQ(0, write_file(SETUP_PARAMETER, lists[i].list))
			TH_LOG("%s", lists[i].list);
		fd = device_open(O_RDWR);
		ASSERT_NE(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES, 0));
		EXPECT_TRUE(is_set_up(fd, lists[i].is)) TH_LOG("%s", lists[i].list);
		close(fd);
		/* What the file says is the same list. */
		text = read_file(SETUP_PARAMETER, NULL);
		EXPECT_EQ(0, write_file(SETUP_PARAMETER, SETUP_DEFAULT));
		EXPECT_EQ(0, write_file(SETUP_PARAMETER, text)) TH_LOG("%s", text);
		free(text);
		fd = device_open(O_RDWR);
		ASSERT_NE(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES, 0));
		EXPECT_TRUE(is_set_up(fd, lists[i].is)) TH_LOG("%s", lists[i].list);
		close(fd);
	}
}

TEST_F(parameter, is_for_what_is_opened_from_now_on)
{
	int fd, set_up;

	ASSERT_EQ(0, write_file(SETUP_PARAMETER, "vmap,pfnmap,eager,wc"));
	fd = device_open(O_RDWR);
	set_up = device_make("contig,mixed,around=4", 0);
	ASSERT_LE(0, set_up);
	ASSERT_EQ(0, write_file(SETUP_PARAMETER, "sparse"));
	ASSERT_NE(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES, 0));
	EXPECT_TRUE(is_set_up(fd, "vmap,pfnmap,eager,wc"));
	/* And what a program says rules. */
	ASSERT_NE(MAP_FAILED, device_map(set_up, RW, MAP_SHARED, PAGES, 0));
	EXPECT_TRUE(is_set_up(set_up, "contig,mixed,around=4"));
	fd = device_open(O_RDWR);
	ASSERT_NE(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES, 0));
	EXPECT_TRUE(is_set_up(fd, "sparse"));
}

TEST_HARNESS_MAIN
