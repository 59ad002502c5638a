# SPDX-License-Identifier: GPL-2.0
"""Finds what a kernel must never say in the log of its console."""

import re
from dataclasses import dataclass

# printk's prefix: the time, and with PRINTK_CALLER the thread or the CPU.
PREFIX = re.compile(r"^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?)?")

# All but the last few are anchored: a boot log has lines that merely mention such
# words ("Spectre V2 : WARNING: ...", "traps: python3[70] general protection fault").
SPLAT = re.compile(
    r"""^(?:
      BUG\b | kernel\ BUG\ at | WARNING:\  | Oops\b | Internal\ error: | UBSAN: | KASAN:\ (?:null|maybe|probably)
    | \[\ BUG: | Kernel\ panic\b | invalid\ opcode: | general\ protection\ fault[,:] | double\ fault:
    | stack\ segment: | int3: | PANIC: | Unable\ to\ handle\ kernel | Unhandled\ fault\b | Bad\ mode\ in
    | INFO:\ (?:possible|task|inconsistent|trying|suspicious|rcu_) | INFO:\ .*\ lock\ held\ when\ returning
    | rcu:\ INFO: | rcu:\ .*detected\ (?:expedited\ )?stall
    | watchdog:\ (?:BUG|CPU|Watchdog) | NMI\ watchdog:\ Watchdog | Watchdog\ detected\ hard\ LOCKUP
    | kmemleak:\ \d+\ new\ suspected | kmemleak:\ Kernel\ memory\ leak\ detector\ disabled
    | unreferenced\ object\ 0x | list_(?:add|del)\ corruption
    | \S+:\d+:\ bad\ (?:pgd|p4d|pud|pmd|pte)\b | \S+:\ Bad\ swap\ (?:file|offset)\ entry
    | ODEBUG:\ Out\ of\ memory | debugfs:\ .*\ already\ exists\ in
    | usercopy:\ Kernel\ memory | page_table_check: | rust_kernel:\ panicked
    | Call\ [Tt]race: | Modules\ linked\ in:
    )
    | possible\ (?:recursive\ locking|circular\ locking|irq\ lock\ inversion)
    | suspicious\ RCU\ usage | inconsistent\ lock\ state | sleeping\ function\ called\ from
    | scheduling\ while\ atomic | bad\ unlock\ balance | possible\ memory\ leak
    """,
    re.X,
)

# What somebody asked for, and may have a stack below it: fault injection tells where
# it struck, and a process that a test lets run out of memory is told of. All else
# that comes then is as bad as ever.
EXPECTED = re.compile(r"^(?:FAULT_INJECTION: forcing a failure|(?:race_targets|device_charge) invoked oom-killer:)")
STACK = re.compile(r"^Call [Tt]race:")
# So near to its heading is the stack.
STACK_LINES = 8

END = re.compile(r"^---\[ end (?:trace|Kernel panic)")
# The lines of one report follow each other closely.
REPORT_LINES = 80
PANIC = re.compile(r"^Kernel panic - not syncing: (.*)")


@dataclass
class Splat:
    """One report."""

    title: str
    lines: list[str]


def text_of(line: str) -> str:
    """A line without printk's prefix."""
    return PREFIX.sub("", line, count=1)


def splats(log: str) -> list[Splat]:
    """All the reports of a console log, in order."""
    found: list[Splat] = []
    report: Splat | None = None
    stack = 0
    for raw in log.splitlines():
        line = raw.rstrip("\r\x00 ")
        text = text_of(line).strip()
        stack = STACK_LINES if EXPECTED.match(text) else max(stack - 1, 0)
        if report:
            report.lines.append(line)
            if END.match(text) or len(report.lines) >= REPORT_LINES:
                report = None
        elif stack and STACK.match(text):
            stack = 0
        elif SPLAT.search(text):
            report = Splat(text, [line])
            found.append(report)
    return found


def panic(log: str) -> str | None:
    """Why the kernel gave up, if it did."""
    for line in log.splitlines():
        match = PANIC.match(text_of(line))
        if match:
            return match[1].strip()
    return None


def tail(log: str, lines: int = 50) -> str:
    """The end of the log."""
    return "\n".join(line.rstrip("\r\x00 ") for line in log.splitlines()[-lines:])
