// SPDX-License-Identifier: GPL-2.0
/*
 * Words for user space: macros with labels in them, which Rust cannot call. Unlike
 * copy_to_user() they do not tell lockdep of the fault that may come: might_fault() does.
 */
#include <linux/kernel.h>
#include <linux/uaccess.h>

#include "../helpers.h"

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
	const __u64 *end = words + nr;

	might_fault();
	if (!user_write_access_begin(user, nr * sizeof(*user)))
		return -EFAULT;
	for (; end - words >= 8; words += 8, user += 8) {
		unsafe_put_user(words[0], user, fault);
		unsafe_put_user(words[1], user + 1, fault);
		unsafe_put_user(words[2], user + 2, fault);
		unsafe_put_user(words[3], user + 3, fault);
		unsafe_put_user(words[4], user + 4, fault);
		unsafe_put_user(words[5], user + 5, fault);
		unsafe_put_user(words[6], user + 6, fault);
		unsafe_put_user(words[7], user + 7, fault);
	}
	while (words < end)
		unsafe_put_user(*words++, user++, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

/* One of them. */
#define put_entry(user, va, raws, said, label)				\
({									\
	unsafe_put_user(va, &(user)->address, label);			\
	unsafe_put_user(*(raws), &(user)->raw, label);			\
	unsafe_put_user(said, &(user)->flags, label);			\
})

/**
 * mmlens_put_entries() - store struct mmlens_entry in user space
 * @to: where to, an address of the caller's, with room for all of them
 * @start: the least address that is told
 * @first: what the first entry translates
 * @size: how many bytes each translates
 * @raws: the entries
 * @stretches: how many of them have the same flags; where these are 0, they are left out
 * @nr: how many stretches
 *
 * Context: may sleep, in a page fault.
 *
 * Return: how many were stored, or -EFAULT.
 */
long mmlens_put_entries(__u64 *to, __u64 start, __u64 first, __u64 size, const __u64 *raws,
			const struct mmlens_stretch *stretches, unsigned long nr)
{
	struct mmlens_entry __user *begin = (struct mmlens_entry __force __user *)to;
	struct mmlens_entry __user *user = begin;
	const struct mmlens_stretch *s;
	unsigned long room = 0;

	for (s = stretches; s < stretches + nr; s++)
		room += s->flags ? s->count : 0;
	might_fault();
	if (!user_write_access_begin(user, room * sizeof(*user)))
		return -EFAULT;
	for (s = stretches; s < stretches + nr; s++) {
		const __u64 *end = raws + s->count;
		__u64 said = s->flags, va = first;

		first += size * s->count;
		if (!said) {
			raws = end;
			continue;
		}
		if (va < start && raws < end) {
			put_entry(user, start, raws, said, fault);
			va += size;
			user++;
			raws++;
		}
		for (; end - raws >= 4; raws += 4, user += 4) {
			put_entry(user, va, raws, said, fault);
			va += size;
			put_entry(user + 1, va, raws + 1, said, fault);
			va += size;
			put_entry(user + 2, va, raws + 2, said, fault);
			va += size;
			put_entry(user + 3, va, raws + 3, said, fault);
			va += size;
		}
		for (; raws < end; raws++, user++, va += size)
			put_entry(user, va, raws, said, fault);
	}
	user_write_access_end();
	return user - begin;
fault:
	user_write_access_end();
	return -EFAULT;
}
