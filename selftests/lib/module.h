/* SPDX-License-Identifier: GPL-2.0 */
/* Loading and unloading mmlens. */
#ifndef MMLENS_SELFTESTS_MODULE_H
#define MMLENS_SELFTESTS_MODULE_H

/*
 * The module file: $MMLENS_KO, or where guests or installed kernels have it; NULL if it
 * cannot be found.
 */
const char *module_file(void);

/* Both return 0 or a negative errno. */
int module_load(const char *parameters);
/* As rmmod does: never waits. */
int module_unload(void);

/* Unloads it, and loads it; nothing where there is no file of it. */
int module_load_anew(const char *parameters);

/* Uses of the module, as /proc/modules has them; -1 if it is not loaded. */
long module_uses(void);

#endif
