"""Errors that the CPU itself reports: QEMU injects them, hypervisor and domain 0 tell of them."""

import time

import pytest

from lib import artifacts
from lib.machine import Machine

pytestmark = pytest.mark.skipif(artifacts.UNDER_TEST != "lodge",
                                reason="it is Lodge's own report that is looked at")

PROMPT = "dom0# "

# Status: valid, enabled, with address and miscellaneous register; the second also uncorrected.
CORRECTED = "0x8c00000000000135"
UNCORRECTED = "0xbc00000000000135"


def test_corrected_error_reaches_domain_0():
    with Machine(artifacts.UNDER_TEST, mode="shell", cpus=2) as live:
        live.expect(PROMPT, timeout=120)
        time.sleep(1)  # the banks are enabled as each CPU first looks after them
        live.monitor.do(f"mce 1 2 {CORRECTED} 0 0x1234000 0x55")
        live.expect(r"machine check: CPU 1 bank 2: corrected error, status 8c00000000000135 "
                    r"address 0000000001234000 misc 0000000000000055", timeout=30)
        live.send("od -A n -t x8 -w8 /dev/mcelog | head -n 3 | tr -d '\\n'\n")
        live.expect(r"8c00000000000135\s+0000000000000055\s+0000000001234000", timeout=20)


def test_uncorrected_error_is_reported_with_its_bank():
    with Machine(artifacts.UNDER_TEST, mode="shell", cpus=2) as live:
        live.expect(PROMPT, timeout=120)
        time.sleep(1)
        live.monitor.do(f"mce 0 1 {UNCORRECTED} 5 0x1234000 0x55")
        live.expect(r"vector 18 \(machine check\)", timeout=20)
        live.expect(r"bank 1: uncorrected error, status bc00000000000135 address 0000000001234000",
                    timeout=20)
        live.expect_exit(timeout=30)
