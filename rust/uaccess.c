// SPDX-License-Identifier: GPL-2.0
/* Words for user space: macros with labels in them, which Rust cannot call. */
#include <linux/uaccess.h>

#include "helpers.h"

/**
 * mmlens_put_words() - store words in user space
 * @to: where to, an address of the caller's
 * @words: what
 * @nr: how many
 *
 * Context: may sleep, in a page fault.
 *
 * Return: 0 or -EFAULT.
 */
int mmlens_put_words(__u64 *to, const __u64 *words, unsigned long nr)
{
	__u64 __user *user = (__u64 __force __user *)to;
	unsigned long i;

	if (!user_write_access_begin(user, nr * sizeof(*user)))
		return -EFAULT;
	for (i = 0; i < nr; i++)
		unsafe_put_user(words[i], user + i, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

/**
 * mmlens_put_entries() - store struct mmlens_entry in user space
 * @to: where to, an address of the caller's, with room for @nr of them
 * @start: the least address that is told
 * @first: what the first entry translates
 * @size: how many bytes each translates
 * @raws: the entries
 * @facts: what is to be said of each, 0 to leave it out
 * @nr: how many
 *
 * Context: may sleep, in a page fault.
 *
 * Return: how many were stored, or -EFAULT.
 */
long mmlens_put_entries(__u64 *to, __u64 start, __u64 first, __u64 size, const __u64 *raws,
			const __u64 *facts, unsigned long nr)
{
	struct mmlens_entry __user *user = (struct mmlens_entry __force __user *)to;
	unsigned long i, put = 0;

	if (!user_write_access_begin(user, nr * sizeof(*user)))
		return -EFAULT;
	for (i = 0; i < nr; i++, first += size) {
		if (!facts[i])
			continue;
		unsafe_put_user(max(first, start), &user[put].address, fault);
		unsafe_put_user(raws[i], &user[put].raw, fault);
		unsafe_put_user(facts[i], &user[put].flags, fault);
		put++;
	}
	user_write_access_end();
	return put;
fault:
	user_write_access_end();
	return -EFAULT;
}
