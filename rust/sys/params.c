// SPDX-License-Identifier: GPL-2.0
/*
 * The module parameters. In C because the module! macro of Linux 7.2 has neither
 * strings, nor booleans, nor parameters that can be changed.
 */
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "../helpers.h"

unsigned int mmlens_max_buffer_mib = 256;
module_param_named(max_buffer_mib, mmlens_max_buffer_mib, uint, 0644);
MODULE_PARM_DESC(max_buffer_mib, "Largest buffer of an open /dev/mmlens, in MiB (default 256)");

bool mmlens_kernel_walk;
module_param_named(kernel_walk, mmlens_kernel_walk, bool, 0444);
MODULE_PARM_DESC(kernel_walk, "Show all page tables of the kernel, which no lock protects");

char *mmlens_io;
module_param_named(io, mmlens_io, charp, 0400);
MODULE_PARM_DESC(io, "Device memory for buffers: <phys>,<length>");

char *mmlens_pci;
module_param_named(pci, mmlens_pci, charp, 0444);
MODULE_PARM_DESC(pci, "Device memory for buffers: <domain:bus:device.function>/<bar>");

static char setup[MMLENS_SETUP_WORDS] = "vmalloc,normal,lazy,wb,track";

static int setup_set(const char *words, const struct kernel_param *kp)
{
	size_t len = strcspn(words, "\n");
	int ret = mmlens_check_setup(words, len);

	if (ret)
		return ret;
	if (len >= sizeof(setup))
		return -EINVAL;
	memcpy(setup, words, len);
	setup[len] = '\0';
	return 0;
}

static int setup_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%s\n", setup);
}

static const struct kernel_param_ops setup_ops = {
	.set = setup_set,
	.get = setup_get,
};

module_param_cb(setup, &setup_ops, NULL, 0644);
MODULE_PARM_DESC(setup, "What a buffer is if nobody says (default vmalloc,normal,lazy,wb,track)");

/* A copy of the parameter setup, which may be written to at any time. */
void mmlens_read_setup(char *words)
{
	kernel_param_lock(THIS_MODULE);
	strscpy(words, setup, MMLENS_SETUP_WORDS);
	kernel_param_unlock(THIS_MODULE);
}
