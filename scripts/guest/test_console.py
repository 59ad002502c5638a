# SPDX-License-Identifier: GPL-2.0
"""Tests of the splat detector, with lines that real kernels wrote."""

import unittest

from guest.console import panic, splats, tail

GOOD = """\
[    0.000000] Linux version 7.3.4+deb13-amd64 (debian-kernel@lists.debian.org)
[    0.000000] Kernel command line: console=ttyS0 panic=-1 oops=panic
[    0.020000] kfence: initialized - using 2097152 bytes for 255 objects
[    0.043122] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on
[    0.100000] rcu: Preemptible hierarchical RCU implementation.
[    0.100000] rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.
[    0.120000] kmemleak: Kernel memory leak detector initialized (mem pool available: 39540)
[    0.210000] NMI watchdog: Perf NMI watchdog permanently disabled
[    0.250000] KASAN: Generic kernel address sanitizer initialized
[    0.270000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
[    0.290000] Running RCU synchronous self tests
[    0.300000] hpet: HPET dysfunctional in PC10. Force disabled.
[    2.100000] mmlens: loading out-of-tree module taints kernel.
[    2.200000] mmlens: module verification failed: signature and/or required key missing - tainting kernel
[    3.300000] python3[71]: segfault at 0 ip 00007f2b sp 00007ffc error 4 in python3.13
[    3.300000] traps: python3[72] general protection fault ip:401136 sp:7ffd error:0 in a.out
[    3.400000] traps: a.out[73] trap invalid opcode ip:401137 sp:7ffe in a.out
"""

BAD = {
    "KASAN": "BUG: KASAN: slab-use-after-free in mmlens_open+0x1b2/0x2c0 [mmlens]",
    "KFENCE": "BUG: KFENCE: use-after-free read in mmlens_fault+0x51/0x140 [mmlens]",
    "oops": "BUG: unable to handle page fault for address: ffffc90000e2f000",
    "null": "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "arm64 oops": "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010",
    "arm64 error": "Internal error: Oops: 0000000096000004 [#1]  SMP",
    "warning": "WARNING: mm/memory.c:3120 at remap_pfn_range_internal+0x2a4/0x2b0, CPU#1: t/88",
    "old warning": "WARNING: CPU: 0 PID: 71 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110",
    "circular": "WARNING: possible circular locking dependency detected",
    "recursive": "WARNING: possible recursive locking detected",
    "rcu usage": "WARNING: suspicious RCU usage",
    "irq lock": "WARNING: inconsistent lock state",
    "sleep": "BUG: sleeping function called from invalid context at mm/vmalloc.c:3421",
    "atomic": "BUG: scheduling while atomic: cat/71/0x00000002",
    "slub": "BUG kmalloc-64 (Tainted: G    B      O       ): Right Redzone overwritten",
    "unlock": "WARNING: bad unlock balance detected!",
    "page": "BUG: Bad page state in process t  pfn:04c10",
    "page map": "BUG: Bad page map in process t  pte:8000000004c10067 pmd:0537a067",
    "rss": "BUG: Bad rss-counter state mm:00000000ab34 type:MM_FILEPAGES val:1",
    "stall": "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "expedited": "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D }",
    "soft lockup": "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [cat:71]",
    "hard lockup": "watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 1",
    "hung": "INFO: task cat:71 blocked for more than 120 seconds.",
    "opcode": "Oops: invalid opcode: 0000 [#1] SMP KASAN NOPTI",
    "gpf": "Oops: general protection fault, probably for non-canonical address 0xdead000000000108",
    "ubsan": "UBSAN: array-index-out-of-bounds in mm/mmlens.c:12:4",
    "leak": "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "key": "INFO: trying to register non-static key.",
    "bug at": "kernel BUG at mm/memory.c:2764!",
    "usercopy": "usercopy: Kernel memory exposure attempt detected from SLUB object 'task_struct'!",
    "trace": "Call Trace:",
    "arm64 trace": "Call trace:",
    "no kmemleak": "kmemleak: Kernel memory leak detector disabled",
    "pmd": "mm/pgtable-generic.c:50: bad pmd ffff888004c10000(aaaaaaaaaaaaaaaa)",
    "arm64 pmd": "mm/pgtable-generic.c:50: bad pmd aaaaaaaaaaaaaaaa.",
    "swap": "__swap_entry_to_info: Bad swap file entry 2aaaaaaaaaaaaaaa",
    "no objects": "ODEBUG: Out of memory. ODEBUG disabled",
    "twice": "debugfs: 'mmlens' already exists in '/'",
    "list": "list_del corruption. prev->next should be ffff888004a51000, but was 0000000000000000",
}

OOPS = """\
[    3.100000] mmlens: attached
[    3.123456][   T71] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    3.123457][   T71] #PF: supervisor read access in kernel mode
[    3.123458][   T71] Oops: Oops: 0000 [#1] SMP NOPTI
[    3.123459][   T71] Call Trace:
[    3.123460][   T71]  <TASK>
[    3.123461][   T71]  mmlens_open+0x1b2/0x2c0 [mmlens]
[    3.123462][   T71]  </TASK>
[    3.123463][   T71] ---[ end trace 0000000000000000 ]---
[    3.200000] afterwards
"""

FAULT_INJECTION = """\
[    5.000000] FAULT_INJECTION: forcing a failure.
[    5.000001] name failslab, interval 1, probability 100, space 0, times 1
[    5.000002] CPU: 0 UID: 0 PID: 71 Comm: cat Tainted: G           O
[    5.000003] Call Trace:
[    5.000004]  <TASK>
[    5.000005]  should_failslab+0x5e/0xa0
[    5.000006]  </TASK>
"""

OUT_OF_MEMORY = """\
[   70.000000] race_targets invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[   70.000001] CPU: 0 UID: 0 PID: 71 Comm: race_targets Tainted: G           O
[   70.000002] Call trace:
[   70.000003]  show_stack+0x20/0x38 (C)
[   70.000004] memory: usage 24576kB, limit 24576kB, failcnt 19
[   70.000005] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/mmlens-race,task=race_targets,pid=71,uid=0
[   70.000006] Memory cgroup out of memory: Killed process 71 (race_targets) total-vm:263000kB
"""


class Console(unittest.TestCase):
    """Nothing is missed, nothing is made up."""

    def test_a_healthy_boot(self) -> None:
        self.assertEqual([splat.title for splat in splats(GOOD)], [])

    def test_every_kind(self) -> None:
        for kind, line in BAD.items():
            for prefix in ("", "[   12.345678] ", "[    3.123456][   T71] ", "[    3.1][    C0] "):
                with self.subTest(kind=kind, prefix=prefix):
                    self.assertEqual([splat.title for splat in splats(GOOD + prefix + line + "\n")], [line])

    def test_kmemleak_file_without_prefix(self) -> None:
        found = splats("unreferenced object 0xffff8881045d5800 (size 64):\n  comm \"insmod\", pid 60\n")
        self.assertEqual(len(found), 1)

    def test_the_block_of_a_splat(self) -> None:
        found = splats(OOPS)
        self.assertEqual([len(splat.lines) for splat in found], [8])
        self.assertNotIn("afterwards", "\n".join(found[0].lines))

    def test_fault_injection_is_expected(self) -> None:
        self.assertEqual(splats(FAULT_INJECTION), [])

    def test_a_splat_after_fault_injection(self) -> None:
        """With its stack, without one, and with one that has no end."""
        lines = FAULT_INJECTION.splitlines(keepends=True)
        for length in range(1, len(lines) + 1):
            with self.subTest(length=length):
                self.assertEqual([len(splat.lines) for splat in splats("".join(lines[:length]) + OOPS)], [8])

    def test_fault_injection_has_one_stack(self) -> None:
        for stack in ("Call Trace:", "Call trace:"):
            with self.subTest(stack=stack):
                self.assertEqual([splat.title for splat in splats(f"{FAULT_INJECTION}{stack}\n")], [stack])

    def test_a_test_may_run_out_of_memory(self) -> None:
        self.assertEqual(splats(OUT_OF_MEMORY), [])
        self.assertEqual(len(splats(OUT_OF_MEMORY + OOPS)), 1)
        self.assertEqual(len(splats(OUT_OF_MEMORY.replace("race_targets", "sh"))), 1)

    def test_carriage_returns_of_a_serial_line(self) -> None:
        self.assertEqual(len(splats(OOPS.replace("\n", "\r\n"))), 1)

    def test_panic(self) -> None:
        log = "[    1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n"
        self.assertEqual(panic(log), "Attempted to kill init! exitcode=0x00000100")
        self.assertIsNone(panic(GOOD))

    def test_tail(self) -> None:
        self.assertEqual(tail("a\r\nb\r\nc\r\n", 2), "b\nc")


if __name__ == "__main__":
    unittest.main()
