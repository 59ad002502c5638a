# SPDX-License-Identifier: GPL-2.0
"""Which kernel is picked of an archive, by every kind of name."""

import unittest

from guest.archive import Package, choose
from guest.cache import Failure

PARTS = ("headers", "binary", "base", "modules")


def archive(*releases: str) -> dict[tuple[str, str], Package]:
    """All packages of these releases. A minus before a release: all but the modules."""
    names = []
    for release in releases:
        parts = PARTS[:-1] if release[0] == "-" else PARTS
        release = release.lstrip("-")
        version = release.split("+")[0]
        names += [(f"linux-{part}-{release}", version) for part in parts]
        names.append((f"linux-source-{'.'.join(version.split('.')[:2])}", version))
    return {(name, version): Package(name, version, "arm64", "", 0) for name, version in names}


class Choose(unittest.TestCase):
    """choose() of a small archive."""

    found = archive("7.1.9+deb13-arm64", "7.2.9+deb13-arm64", "7.2.12+deb13-arm64", "7.2.12+deb13-arm64-16k",
                    "7.3.4+deb13-arm64", "7.3.4+deb13-rt-arm64", "7.3.4+deb13-cloud-arm64", "7.3.4+deb13-arm64-16k",
                    "-7.3.5+deb13-arm64")  # fmt: skip

    def test_names(self) -> None:
        """A flavour is picked when it is asked for, and never else."""
        for wanted, release in (
            ("newest", "7.3.4+deb13-arm64"),
            ("7.2", "7.2.12+deb13-arm64"),
            ("16k", "7.3.4+deb13-arm64-16k"),
            ("newest-16k", "7.3.4+deb13-arm64-16k"),
            ("7.2-16k", "7.2.12+deb13-arm64-16k"),
            ("rt", "7.3.4+deb13-rt-arm64"),
            ("7.2.9+deb13-arm64", "7.2.9+deb13-arm64"),
            ("7.2.12+deb13-arm64-16k", "7.2.12+deb13-arm64-16k"),
        ):
            with self.subTest(wanted=wanted):
                self.assertEqual(choose(self.found, "arm64", wanted).release, release)

    def test_nothing_fits(self) -> None:
        """Too old, incomplete, or not there at all."""
        for wanted in ("7.1", "7.4", "7.2-rt", "64k", "7.1.9+deb13-arm64", "7.3.5+deb13-arm64"):
            with self.subTest(wanted=wanted), self.assertRaises(Failure):
                choose(self.found, "arm64", wanted)

    def test_flavour(self) -> None:
        """What a release is, apart from its architecture."""
        for wanted, flavour in (("newest", ""), ("16k", "16k"), ("rt", "rt")):
            self.assertEqual(choose(self.found, "arm64", wanted).flavour, flavour)


if __name__ == "__main__":
    unittest.main()
