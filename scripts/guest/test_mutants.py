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

    def verdict(self, trial: mutants.Trial, patch: str = PATCH) -> str:
        """What became of the mutant above, and why."""
        found = mutants.judge(mutant(patch), trial)
        return f"{found.word}: {found.why}"

    def assert_word(self, word: str, trial: mutants.Trial, patch: str = PATCH) -> None:
        """What became of it."""
        self.assertEqual(word, self.verdict(trial, patch).partition(":")[0])

    def test_red(self) -> None:
        red = Count(3, ["b.test", "another", "a.test"])
        self.assertEqual("killed: a.test b.test", self.verdict(mutants.Trial(red, "", 1)))

    def test_complaints(self) -> None:
        said = "mmlens: something\n[ 1.0] WARNING: here\n[ 1.0] BUG: that\n[ 1.0] ---[ end trace\n"
        self.assertEqual("killed: BUG: that", self.verdict(mutants.Trial(Count(), said, 99)))

    def test_what_is_no_complaint(self) -> None:
        """The end of a log that is shown because the guest hangs, or did not come up; and what a busy machine says."""
        for status, text in (
            (124, "[ 1.0] WARNING: here\n[ 1.0] BUG: that\n"),
            (99, "[ 1.0] DEBUG: that\n"),
            (99, "[ 1.0] watchdog: BUG: that is stuck for 22s!\n"),
            (99, "[ 1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n[ 1.0] BUG: that\n"),
        ):
            with self.subTest(text):
                self.assert_word("error", mutants.Trial(Count(), text, status))

    def test_late_is_not_red(self) -> None:
        late = mutants.Trial(Count(failed=["b.test", "a.test"]), "", 1, "  # test: Test terminated by timeout\n")
        self.assertEqual("error: no answer of a.test, b.test; 0 passed, 2 failed, exit code 1", self.verdict(late))
        self.assert_word("killed", late, PATCH.replace("Says: BUG: (this|that)", "Hangs: so"))

    def test_survived(self) -> None:
        self.assert_word("survived", mutants.Trial(Count(2), "", 0, "  ok 1 a.test\n  ok 1 b.test\n"))
        self.assert_word("survived", mutants.Trial(Count(1, ["a.test"]), "", 1, "  # ok 1 b.test\n"))

    def test_not_asked(self) -> None:
        """It was skipped, or the program does not have it, or is not there, or the guest ended too early."""
        for output in ("  ok 1 a.test # SKIP why\n  ok 1 b.test\n", "  1..0\nok 1 one -r a.test\n", ""):
            with self.subTest(output):
                self.assert_word("error", mutants.Trial(Count(1), "", 0, output))
        self.assert_word("error", mutants.Trial(Count(failed=["one -r a.test # exit=127"]), "", 1))
        self.assert_word("error", mutants.Trial(Count(), "it could not be loaded", 99))

    def test_survives_but_was_noticed(self) -> None:
        patch = PATCH.replace("Says: BUG: (this|that)", "Survives: so")
        self.assert_word("error", mutants.Trial(Count(failed=["a.test", "b.test"]), "", 1), patch)


if __name__ == "__main__":
    unittest.main()
