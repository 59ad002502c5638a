# SPDX-License-Identifier: GPL-2.0
"""Tests of the cells' names, and of what a guest is asked to do."""

import argparse
import unittest
from unittest.mock import patch

from guest import cells, shape
from guest.cache import CHECKOUT, Failure
from guest.ktap import Count


class Cells(unittest.TestCase):
    """What a name means."""

    def test_all_can_be_read(self) -> None:
        for name in (*cells.CELLS, *cells.MORE_CELLS, cells.SOAK_CELL):
            with self.subTest(name):
                cell = cells.parse(name)
                for one in cell.shapes:
                    shape.find(one, cell.arch)

    def test_programs(self) -> None:
        """What a cell or a shape names is there."""
        named = [*cells.RACES, *(name for one in shape.SHAPES.values() for name in one.programs)]
        self.assertEqual([], [name for name in named if not (CHECKOUT / f"selftests/{name}.c").exists()])

    def test_parts(self) -> None:
        self.assertEqual(cells.Cell("arm64", "7.2-16k", ("numa", "1g")), cells.parse("arm64:7.2-16k:numa+1g"))
        for name in ("arm64", "arm64:", "riscv:newest", ""):
            with self.subTest(name), self.assertRaises(Failure):
                cells.parse(name)

    @patch.object(cells, "is_emulated", return_value=True)
    def test_command(self, _: object) -> None:
        words = cells.parse("x86_64:7.2:pti+4level").command(7, "a=1", "--more")
        at = words.index("--arch")
        self.assertEqual(
            "--arch x86_64 --kernel 7.2 --timeout 7 --append a=1 --debugger --shape pti --shape 4level --more",
            " ".join(words[at:]),
        )

    def test_machine(self) -> None:
        """What only an emulated processor has is left out where the host's is used."""
        cell = cells.parse("arm64:newest:mte+vmem")
        for emulated, shapes in ((True, ("mte", "vmem")), (False, ("vmem",))):
            with self.subTest(emulated=emulated), patch.object(cells, "is_emulated", return_value=emulated):
                self.assertEqual(shapes, cell.machine())

    def test_effort(self) -> None:
        """A part, all of it, as much as was asked for, and as many seconds as a soak is long."""
        given = {"effort": None, "soak": 0, "full": False}
        first, more = cells.CELLS[0], cells.MORE_CELLS[0]
        for change, name, percent in (
            ({}, first, cells.EFFORT),
            ({"full": True}, first, 100),
            ({"full": True}, more, cells.MORE_EFFORT),
            ({"full": True, "effort": 7}, first, 7),
            ({"soak": 32}, more, 32 * 60 * 100 // (cells.RACE_COUNT * cells.RACE_SECONDS)),
        ):
            self.assertEqual(percent, cells.effort(argparse.Namespace(**given | change), name))

    def test_left(self) -> None:
        """Nothing is left to a cell that is not run."""
        for name in cells.ONCE_IN:
            self.assertIn(name, cells.CELLS)
        self.assertEqual(set(cells.COMPILER), {cells.parse(name).arch for name in cells.ONCE_IN})
        for change, name, programs in (
            ({}, "x86_64:debug", cells.ONCE),
            ({}, "x86_64:newest", cells.ONCE + cells.ONCE_AND_DEBUG),
            ({}, cells.ONCE_IN[0], ()),
            ({"full": True}, "x86_64:debug", ()),
            ({"cell": ["x86_64:debug"]}, "x86_64:debug", ()),
        ):
            with self.subTest(name, **change):
                given = argparse.Namespace(**{"full": False, "cell": []} | change)
                self.assertEqual(programs, cells.left(given, name))

    def test_nowhere(self) -> None:
        """Skipped in each cell, and not for a reason that is known."""
        reason = cells.NO_CASE[0]
        skipped = ["a: no swap", "b: no swap", f"c: {reason}", "d", "e: no swap", f"e: {reason}"]
        total = Count(1, [], skipped, {"a"})
        self.assertEqual(["b: no swap", "d"], cells.nowhere(total, cells.NO_CASE))

    def test_numbers(self) -> None:
        self.assertEqual(30, cells.positive("30"))
        for text in ("0", "-1", "x", ""):
            with self.subTest(text), self.assertRaises(argparse.ArgumentTypeError):
                cells.positive(text)


if __name__ == "__main__":
    unittest.main()
