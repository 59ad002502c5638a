# SPDX-License-Identifier: GPL-2.0
"""Tests of the KTAP reader."""

import unittest

from guest.ktap import Count, Parser


def count(text: str) -> Count:
    """Reads a whole output."""
    parser = Parser()
    for line in text.splitlines():
        parser.line(line)
    return parser.finish()


class Ktap(unittest.TestCase):
    """What is counted, and what is a failure."""

    def test_flat(self) -> None:
        got = count("TAP version 13\n1..3\nok 1 a\nnot ok 2 b\nok 3 c # SKIP no swap\n")
        self.assertEqual((got.passed, got.failed, got.skipped), (1, ["b"], ["c: no swap"]))

    def test_only_leaves_count(self) -> None:
        got = count("1..2\n# 1..2\n# ok 1 x\n# ok 2 y\nok 1 prog\n# 1..1\n# not ok 1 z\nnot ok 2 other\n")
        self.assertEqual((got.passed, got.failed), (2, ["z"]))

    def test_nested_by_spaces(self) -> None:
        inner = "  KTAP version 1\n  1..1\n    1..2\n    ok 1 a\n    ok 2 b\n  ok 1 m\n"
        got = count(f"KTAP version 1\n1..1\n{inner}ok 1 top\n")
        self.assertEqual((got.passed, got.failed), (2, []))

    def test_parent_fails_alone(self) -> None:
        got = count("1..1\n# 1..1\n# ok 1 x\nnot ok 1 prog # exit=139\n")
        self.assertEqual((got.passed, got.failed), (1, ["prog # exit=139"]))

    def test_names_of_what_passed(self) -> None:
        got = count("1..2\n# 1..2\n# ok 1 x\n# ok 2 y # SKIP no swap\nok 1 a\n# 1..1\n# not ok 1 z\nnot ok 2 b\n")
        self.assertEqual(got.well, {"x", "a"})

    def test_plan_not_fulfilled(self) -> None:
        self.assertEqual(len(count("1..3\nok 1 a\n").failed), 1)
        self.assertEqual(len(count("1..1\n# 1..2\n# ok 1 x\nok 1 prog\n").failed), 1)

    def test_interrupted_below(self) -> None:
        self.assertTrue(count("1..2\nok 1 a\n# 1..2\n# ok 1 x\n").failed)

    def test_whole_program_skipped(self) -> None:
        got = count("1..1\n# 1..0 # SKIP needs root\nok 1 prog # SKIP\n")
        self.assertEqual((got.passed, got.failed, got.skipped), (0, [], ["needs root"]))

    def test_expected_failure(self) -> None:
        self.assertEqual(count("1..1\nnot ok 1 a # XFAIL known\n").failed, [])

    def test_bail_out(self) -> None:
        self.assertEqual(count("1..1\nok 1 a\nBail out! no memory\n").failed, ["bailed out: no memory"])

    def test_chatter_is_not_a_result(self) -> None:
        got = count("1..1\n#  RUN           global.x ...\n#            OK  global.x\n# ok then\nok 1 global.x\n")
        self.assertEqual((got.passed, got.failed), (1, []))

    def test_nothing(self) -> None:
        got = count("")
        self.assertEqual((got.passed, got.failed, got.skipped), (0, [], []))


if __name__ == "__main__":
    unittest.main()
