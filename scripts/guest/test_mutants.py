# SPDX-License-Identifier: GPL-2.0
"""Tests of the mutants: that each still is one, and how what stands above a patch is read."""

import tempfile
import unittest
from pathlib import Path

from guest import mutants
from guest.cache import Failure
from guest.ktap import Count

PATCH = """\
# SPDX-License-Identifier: GPL-2.0
Breaks: something that
  goes on
Rule: a rule: with a colon
Cell: x86_64:debug
Run: one a.test
Run: two b.test
Says: BUG: (this|that)

--- a/rust/x.rs
+++ b/rust/x.rs
"""


def mutant(text: str) -> mutants.Mutant:
    """The mutant of a patch with that text."""
    with tempfile.TemporaryDirectory() as folder:
        patch = Path(folder) / "name.patch"
        patch.write_text(text)
        return mutants.read(patch)


class Patches(unittest.TestCase):
    """Those that there are."""

    def test_each_applies_and_names_a_test(self) -> None:
        found = mutants.everyone()
        self.assertGreater(len(found), 15)
        for one in found:
            with self.subTest(one.name):
                self.assertEqual([], mutants.problems(one))


class Heads(unittest.TestCase):
    """What stands above a patch."""

    def test_words(self) -> None:
        found = mutant(PATCH)
        self.assertEqual("name", found.name)
        self.assertEqual("something that goes on", found.breaks)
        self.assertEqual("a rule: with a colon", found.rule)
        self.assertEqual(mutants.Place("x86_64:debug", "", "100"), found.place)
        self.assertEqual(("one a.test", "two b.test"), found.tests)

    def test_errors(self) -> None:
        for text in (PATCH.replace("Rule:", "Rules:"), PATCH.replace("Breaks:", "#"), "Run: a b\n"):
            with self.subTest(text), self.assertRaises(Failure):
                mutant(text)


class Verdicts(unittest.TestCase):
    """What a run means."""

    def word(self, trial: mutants.Trial) -> str:
        """What became of the mutant above."""
        return mutants.judge(mutant(PATCH), trial).word

    def test_killed(self) -> None:
        red = Count(3, ["b.test", "another", "a.test"])
        self.assertEqual("killed", self.word(mutants.Trial(red, "", 1)))
        self.assertEqual("killed", self.word(mutants.Trial(Count(), "[ 1.0] BUG: that\n", 99)))

    def test_late_is_not_red(self) -> None:
        late = mutants.Trial(Count(failed=["b.test", "a.test"]), "", 1, "  # test: Test terminated by timeout\n")
        self.assertEqual("survived", self.word(late))
        hangs = mutant(PATCH.replace("Says: BUG: (this|that)", "Hangs: so"))
        self.assertEqual("killed", mutants.judge(hangs, late).word)

    def test_survived(self) -> None:
        self.assertEqual("survived", self.word(mutants.Trial(Count(2), "", 0)))
        self.assertEqual("survived", self.word(mutants.Trial(Count(1, ["a.test"]), "", 1)))

    def test_errors(self) -> None:
        self.assertEqual("error", self.word(mutants.Trial(Count(), "", 124)))
        self.assertEqual("error", self.word(mutants.Trial(Count(failed=["x"]), "it could not be loaded", 99)))


if __name__ == "__main__":
    unittest.main()
