# SPDX-License-Identifier: GPL-2.0
"""Tests of the debug kernels' configurations."""

import unittest

from guest import debug


class Debug(unittest.TestCase):
    """What is asked for, and what is noticed if it cannot be had."""

    def test_no_option_is_asked_for_twice(self) -> None:
        """Nor is what both have in the fragment of one."""
        for arch in debug.TARGETS:
            with self.subTest(arch):
                names = [line.split("=")[0] for line in debug.options(arch).splitlines() if line.startswith("CONFIG_")]
                self.assertEqual(sorted(set(names)), sorted(names))

    def test_lost_options_are_found(self) -> None:
        """Those that are off are not: Kconfig leaves them out, or says so in a comment."""
        wanted = "# a comment\nCONFIG_A=y\nCONFIG_B=16\nCONFIG_C=n\n"
        self.assertEqual([], debug.missing(wanted, "CONFIG_A=y\nCONFIG_B=16\n# CONFIG_C is not set\n"))
        self.assertEqual(["CONFIG_A=y", "CONFIG_B=16"], debug.missing(wanted, "# CONFIG_A is not set\nCONFIG_B=8\n"))


if __name__ == "__main__":
    unittest.main()
