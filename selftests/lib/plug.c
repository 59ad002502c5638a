// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "knobs.h"
#include "plug.h"
#include "util.h"

#define BLOCKS "/sys/devices/system/memory"
#define MAX_BLOCKS 1024
#define BYTES (256L << 20)
/* Longer than a guest takes on a busy machine. */
#define TRIES 600

static int port = -1;
/* What QEMU said last. */
static char answer[4096];
/* What there was before, and what is plugged. */
static bool was_there[MAX_BLOCKS];
static int plugged[16], nr_plugged;

static bool block_exists(int number)
{
	char path[64];

	snprintf(path, sizeof(path), BLOCKS "/memory%d", number);
	return !access(path, F_OK);
}

/* A command in JSON; whether QEMU did it. Events, and what it says of itself, are passed over. */
static bool monitor(const char *command)
{
	struct pollfd ready = { .fd = port, .events = POLLIN };
	size_t have = 0;

	if (write(port, command, strlen(command)) < 0 || write(port, "\n", 1) < 0)
		return false;
	while (poll(&ready, 1, 60000) == 1 && have + 1 < sizeof(answer) &&
	       read(port, answer + have, 1) == 1) {
		if (answer[have++] != '\n')
			continue;
		answer[have] = '\0';
		have = 0;
		if (strstr(answer, "\"return\""))
			return true;
		if (strstr(answer, "\"error\""))
			return false;
	}
	return false;
}

int plug_open(void)
{
	if (port < 0)
		port = host_port("mmlens.monitor");
	if (port < 0)
		return -ENODEV;
	/* Once for each guest. */
	monitor("{\"execute\": \"qmp_capabilities\"}");
	if (!monitor("{\"execute\": \"query-status\"}"))
		return -ENODEV;
#ifdef __aarch64__
	if (system("modprobe virtio_mem"))
		return -ENODEV;
#endif
	for (int i = 0; i < MAX_BLOCKS; i++)
		was_there[i] = block_exists(i);
	return knob_set(BLOCKS "/auto_online_blocks", "online_movable");
}

static void find_blocks(void)
{
	nr_plugged = 0;
	for (int i = 0; i < MAX_BLOCKS && nr_plugged < 16; i++)
		if (!was_there[i] && block_exists(i))
			plugged[nr_plugged++] = i;
}

static bool is_online(int number)
{
	char path[64];

	snprintf(path, sizeof(path), BLOCKS "/memory%d/online", number);
	return read_number(path) == 1;
}

#ifdef __x86_64__

#define PLUG "{\"execute\": \"device_add\", \"arguments\": " \
	     "{\"driver\": \"pc-dimm\", \"id\": \"dimm\", \"memdev\": \"plugged\"}}"
#define UNPLUG "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"dimm\"}}"
#define FREE "{\"execute\": \"object-del\", \"arguments\": {\"id\": \"plugged\"}}"
#define MAKE "{\"execute\": \"object-add\", \"arguments\": " \
	     "{\"qom-type\": \"memory-backend-ram\", \"id\": \"plugged\", \"size\": %ld}}"

/* A DIMM in a slot. */
static bool plug(bool in)
{
	char text[160];

	if (!in)
		return monitor(UNPLUG);
	/* That of the last one is gone only once the guest has let go of it. */
	monitor(FREE);
	snprintf(text, sizeof(text), MAKE, BYTES);
	return monitor(text) && monitor(PLUG);
}

#else

#define REQUEST "{\"execute\": \"qom-set\", \"arguments\": " \
		"{\"path\": \"/machine/peripheral/plug\", " \
		"\"property\": \"requested-size\", \"value\": %ld}}"

/* The machine "virt" has DIMMs only with ACPI, which takes firmware; but it has virtio-mem. */
static bool plug(bool in)
{
	char text[192];

	snprintf(text, sizeof(text), REQUEST, in ? BYTES : 0L);
	return monitor(text);
}

#endif

int plug_add(void)
{
	int before = -1;

	if (!plug(true)) {
		fprintf(stderr, "# %s", answer);
		return 0;
	}
	for (int i = 0; i < TRIES; i++) {
		int online = 0;

		find_blocks();
		for (int j = 0; j < nr_plugged; j++)
			online += is_online(plugged[j]);
		/* All of them, and no more to come. */
		if (nr_plugged && online == nr_plugged && nr_plugged == before)
			return nr_plugged;
		before = nr_plugged;
		usleep(50000);
	}
	return 0;
}

bool plug_remove(void)
{
	for (int i = 0; i < TRIES; i++) {
		find_blocks();
		if (!nr_plugged)
			return true;
		/* The kernel may have been busy with a page: then it asks to be told again. */
		if (i % 40 == 0)
			plug(false);
		usleep(50000);
	}
	return false;
}

void plug_close(void)
{
	close(port);
	port = -1;
}

static bool set_state(unsigned int number, const char *state)
{
	char path[64];

	if (!nr_plugged)
		return false;
	snprintf(path, sizeof(path), BLOCKS "/memory%d/state", plugged[number % nr_plugged]);
	return !write_file(path, state);
}

bool plug_offline(unsigned int number)
{
	return set_state(number, "offline");
}

bool plug_online(unsigned int number)
{
	return set_state(number, "online_movable");
}
