# SPDX-License-Identifier: GPL-2.0
"""Tests of what removes old things from the cache, of patches, and of how a program ends."""

import os
import tempfile
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guest.cache import IN_USE_SECONDS, Failure, contents, digest_of, git_apply, hold, run_program, tidy, used


@contextmanager
def items(*ages: float) -> Iterator[list[Path]]:
    """Folders with something in them, last used so many seconds ago."""
    with tempfile.TemporaryDirectory() as name:
        found = [Path(name) / "test" / str(number) for number in range(len(ages))]
        for path, age in zip(found, ages):
            path.mkdir(parents=True)
            (path / "file").touch()
            os.utime(path, (time.time() - age,) * 2)
        yield found


class Tidying(unittest.TestCase):
    """What is kept."""

    OLD = IN_USE_SECONDS + 100

    def left(self, paths: list[Path]) -> list[int]:
        """The numbers of those that are there."""
        return [number for number, path in enumerate(paths) if path.exists()]

    def test_the_last_are_kept(self) -> None:
        with items(self.OLD, 5 * self.OLD, 3 * self.OLD, 2 * self.OLD) as paths:
            tidy(paths[0].parent, 2)
            self.assertEqual([0, 3], self.left(paths))

    def test_what_may_be_in_use_is_kept(self) -> None:
        with items(0, 10, 20, self.OLD) as paths:
            tidy(paths[0].parent, 1)
            self.assertEqual([0, 1, 2], self.left(paths))

    def test_what_is_held_is_kept_until_its_holder_ends(self) -> None:
        with items(0, self.OLD, self.OLD) as paths:
            if (child := os.fork()) == 0:
                hold(paths[1])
                os.kill(os.getpid(), 19)
                os._exit(0)
            os.waitpid(child, os.WUNTRACED)
            tidy(paths[0].parent, 1)
            self.assertEqual([0, 1], self.left(paths))
            os.kill(child, 9)
            os.waitpid(child, 0)
            tidy(paths[0].parent, 1)
            self.assertEqual([0], self.left(paths))

    def test_use_makes_young(self) -> None:
        with items(2 * self.OLD, self.OLD) as paths:
            self.assertEqual(paths[0], used(paths[0], 1))
            self.assertEqual([0], self.left(paths))


class Patches(unittest.TestCase):
    """What is done to copies of a source."""

    PATCH = "Why.\n\n--- a/file\n+++ b/file\n@@ -1 +1 @@\n-old\n+new\n"

    def test_another_link_keeps_what_it_had(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            first, second, patch = Path(name) / "first", Path(name) / "second", Path(name) / "patch"
            first.mkdir()
            second.mkdir()
            patch.write_text(self.PATCH)
            (first / "file").write_text("old\n")
            (second / "file").hardlink_to(first / "file")
            self.assertEqual("", git_apply(patch, second))
            self.assertEqual(["old\n", "new\n"], [(folder / "file").read_text() for folder in (first, second)])
            self.assertIn("file", git_apply(patch, second))


class Names(unittest.TestCase):
    """What something is called by what it is made of."""

    def test_each_part_counts(self) -> None:
        with items(0) as (folder,):
            first = digest_of(contents([folder / "file"], folder), "x")
            self.assertNotEqual(first, digest_of(contents([folder / "file"], folder), "y"))
            self.assertNotEqual(first, digest_of(contents([folder / "file"], folder.parent), "x"))
            (folder / "file").write_text("new")
            self.assertNotEqual(first, digest_of(contents([folder / "file"], folder), "x"))


class Ends(unittest.TestCase):
    """The exit code of a program."""

    def code(self, main: object) -> object:
        """How it ends."""
        with self.assertRaises(SystemExit) as end:
            run_program(main)  # type: ignore[arg-type]
        return end.exception.code

    def test_ends(self) -> None:
        def fail(error: BaseException) -> None:
            raise error

        self.assertEqual(7, self.code(lambda: 7))
        self.assertIsNone(self.code(lambda: None))
        self.assertEqual("mmlens: why", self.code(lambda: fail(Failure("why"))))
        self.assertEqual(130, self.code(lambda: fail(KeyboardInterrupt())))


if __name__ == "__main__":
    unittest.main()
