# SPDX-License-Identifier: GPL-2.0
"""Tests that the table of who may see what is the same in the documentation and in the test of it."""

import re
import unittest

from guest.cache import CHECKOUT


def documented() -> list[list[str]]:
    """The rows of the table in Documentation/rights.rst."""
    lines = (CHECKOUT / "Documentation/rights.rst").read_text().splitlines()
    rows = [line.replace("``", "").split() for line in lines if line.startswith("``")]
    return [row for row in rows if len(row) == 11 and set(row[1:]) <= {"yes", "-", "0", "0,1", "EPERM", "EACCES"}]


def tested() -> list[list[str]]:
    """Those of selftests/lib/rights.c."""
    text = (CHECKOUT / "selftests/lib/rights.c").read_text()
    table = re.search(r"rights_rows\[\] = {(.*?)^};", text, re.M | re.S)
    assert table
    return [re.findall(r'"([^"]*)"', row) for row in re.findall(r"{ (.*?) } }", table[1], re.S)]


class Rights(unittest.TestCase):
    """Both are read by people, and one of them by the test."""

    def test_table(self) -> None:
        """All rows, word for word and in the same order."""
        self.assertGreater(len(tested()), 10)
        self.assertEqual(documented(), tested())
