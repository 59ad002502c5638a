# SPDX-License-Identifier: GPL-2.0
"""Guests: stock and debug kernels in QEMU, with the module loaded. See scripts/vm."""
