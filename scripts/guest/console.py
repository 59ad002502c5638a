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
    | kmemleak:\ \d+\ new\ suspected | unreferenced\ object\ 0x | list_(?:add|del)\ corruption
    | usercopy:\ Kernel\ memory | page_table_check: | rust_kernel:\ panicked
    | Call\ [Tt]race: | Modules\ linked\ in:
    )
    | possible\ (?:recursive\ locking|circular\ locking|irq\ lock\ inversion)
    | suspicious\ RCU\ usage | inconsistent\ lock\ state | sleeping\ function\ called\ from
    | scheduling\ while\ atomic | bad\ unlock\ balance | possible\ memory\ leak
    """,
    re.X,
)

# A report that somebody asked for, with a stack below it: fault injection tells
# where it struck, and a process that a test lets run out of memory is told of.
EXPECTED = re.compile(r"^(?:FAULT_INJECTION: forcing a failure|(?:race_targets|device_charge) invoked oom-killer:)")
EXPECTED_LINES = 60

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
    expected = 0
    for raw in log.splitlines():
        line = raw.rstrip("\r\x00 ")
        text = text_of(line).strip()
        if EXPECTED.match(text):
            expected = EXPECTED_LINES
        if expected:
            # Its own stack ends with a line of the trace's end marker; on arm64 there is none.
            expected = 0 if text.startswith(("</TASK>", "oom-kill:")) else expected - 1
        elif report:
            report.lines.append(line)
            if END.match(text) or len(report.lines) >= REPORT_LINES:
                report = None
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
