# SPDX-License-Identifier: GPL-2.0
"""Reads KTAP, the kernel's test output, however deep it is nested.

Only leaves are counted: a result that has results of its own below it says nothing
new, unless it failed and none of them did.
"""

import re
from dataclasses import dataclass, field

INDENT = re.compile(r"^(?:# |  )*")
RESULT = re.compile(r"^(not )?ok (\d+)(?: -)? ?(.*)$")
DIRECTIVE = re.compile(r"^(.*?) ?(?<!\\)# ?(SKIP|XFAIL|TIMEOUT|ERROR|TODO)\b:? ?(.*)$", re.I)
PLAN = re.compile(r"^1\.\.(\d+)(?: *# *SKIP\b:? *(.*))?$", re.I)


@dataclass
class Count:
    """How many leaves passed, failed and were skipped, and which; and the names of all that passed, or that has
    something below it that did."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    well: set[str] = field(default_factory=set)

    def add(self, other: "Count") -> None:
        """Adds another count to this one."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.well |= other.well

    def __str__(self) -> str:
        text = f"{self.passed} passed, {len(self.failed)} failed"
        return text + (f", {len(self.skipped)} skipped" if self.skipped else "")


@dataclass
class Level:
    """The results so far at one depth."""

    plan: int | None = None
    seen: int = 0
    count: Count = field(default_factory=Count)

    def close(self, name: str) -> Count:
        """The count, with a failure where results are missing."""
        if self.plan is not None and self.seen != self.plan:
            self.count.failed.append(f"{name}: {self.seen} results, but {self.plan} were planned")
        return self.count


class Parser:
    """Takes one line at a time; finish() gives the count."""

    def __init__(self) -> None:
        self.levels: dict[int, Level] = {}
        self.bailed: str | None = None

    def line(self, raw: str) -> tuple[str, Count] | None:
        """Returns a result of the outermost level, with the leaves below it."""
        match = INDENT.match(raw)
        prefix = match[0] if match else ""
        text = raw[len(prefix) :].rstrip()
        depth = prefix.count("#") * 2 + prefix.replace("# ", "").count("  ")
        if text.startswith("Bail out!"):
            self.bailed = text.removeprefix("Bail out!").strip() or "no reason given"
        elif plan := PLAN.match(text):
            level = self.levels.setdefault(depth, Level())
            level.plan = int(plan[1])
            if plan[2] is not None:
                level.count.skipped.append(plan[2])
        elif result := RESULT.match(text):
            return self._result(depth, bool(result[1]), result[3])
        return None

    def _result(self, depth: int, bad: bool, text: str) -> tuple[str, Count] | None:
        directive = DIRECTIVE.match(text)
        name, kind, reason = directive.groups() if directive else (text, "", "")
        kind = kind.upper()
        leaves = Count()
        for deeper in sorted(key for key in self.levels if key > depth):
            leaves.add(self.levels.pop(deeper).close(name))
        if not (leaves.passed or leaves.failed or leaves.skipped):
            if kind in ("SKIP", "TODO"):
                leaves.skipped.append(f"{name}: {reason}" if reason else name)
            elif bad and kind != "XFAIL":
                leaves.failed.append(name)
            else:
                leaves.passed = 1
        elif bad and not leaves.failed and kind not in ("SKIP", "XFAIL"):
            leaves.failed.append(name)
        if leaves.passed:
            leaves.well.add(name)
        level = self.levels.setdefault(depth, Level())
        level.seen += 1
        level.count.add(leaves)
        return (name, leaves) if depth == min(self.levels) else None

    def finish(self) -> Count:
        """What was counted, with a failure for whatever ended too early."""
        total = Count()
        for depth in sorted(self.levels, reverse=True):
            total.add(self.levels[depth].close("plan"))
        if self.bailed is not None:
            total.failed.append(f"bailed out: {self.bailed}")
        return total
