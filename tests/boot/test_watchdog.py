"""A CPU that is stuck in the hypervisor is found and named; nobody else goes on meanwhile.

The fault is made from outside: QEMU's debugger takes a lock that nobody will release.
"""

import re
import socket
import subprocess

import pytest

from lib import artifacts
from lib.machine import Machine

pytestmark = pytest.mark.skipif(artifacts.UNDER_TEST != "lodge",
                                reason="it is Lodge's own report that is looked at")

PROMPT = "dom0# "
MAX_CPUS = 256


class Debugger:
    """A machine with QEMU's debugger beside it: just enough of gdb's protocol to change memory."""

    def __init__(self, directory):
        self.path = directory / "gdb"
        self.qemu = directory / "qemu"
        self.qemu.write_text("#!/bin/sh\n"
                             f"exec {artifacts.qemu('installed')}"
                             f" -gdb unix:{self.path},server=on,wait=off \"$@\"\n")
        self.qemu.chmod(0o755)

    def _ask(self, connection, text, answer):
        """What it answers to this; that the machine has stopped QEMU may tell unasked, too.

        Not acknowledged, which the protocol allows: any byte stops a machine that runs.
        """
        packet = f"${text}#{sum(text.encode()) & 255:02x}"
        connection.sendall(packet.encode())
        heard = ""
        while not (match := re.search(rf"\$({answer})#..", heard)):
            heard += connection.recv(4096).decode()
        return match[1]

    def add_to_word(self, address, amount):
        """Stop the machine, add to a 16-bit word, let it go on."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.path))
            connection.settimeout(20)
            self._ask(connection, "?", "T[^#]*")
            old = self._ask(connection, f"m{address:x},2", "[0-9a-f]{4}")
            new = (int.from_bytes(bytes.fromhex(old), "little") + amount) & 0xFFFF
            self._ask(connection, f"M{address:x},2:{new.to_bytes(2, 'little').hex()}", "OK")
            self._ask(connection, "D", "OK")


def symbol(name):
    """Address and size of one of the hypervisor's variables."""
    table = subprocess.run(["nm", "-S", str(artifacts.BUILD / "lodge.debug")], check=True, text=True,
                           capture_output=True).stdout
    address, size = re.search(rf"^(\w+) (\w+) \w {name}$", table, re.M).groups()
    return int(address, 16), int(size, 16)


def hang_timers_of(debugger, cpu):
    """The lock is the first thing in a CPU's part of the table; the ticket to be drawn next is at 2."""
    address, size = symbol("timer_cpus")
    debugger.add_to_word(address + size // MAX_CPUS * cpu + 2, 1)


def watched(options, debugger, cpus=2):
    return Machine(artifacts.UNDER_TEST, mode="shell", cpus=cpus, qemu=str(debugger.qemu),
                   options=f"watchdog_timeout=4 {options}")


@pytest.fixture
def debugger(tmp_path):
    return Debugger(tmp_path)


def test_a_stuck_cpu_is_named_and_the_machine_rebooted(debugger):
    with watched("", debugger) as machine:
        machine.expect(PROMPT, timeout=120)
        machine.send("while :; do echo dom0-speaks; done\n")
        machine.expect("dom0-speaks", timeout=20)
        hang_timers_of(debugger, 1)
        machine.expect("Watchdog: CPU 1 is stuck: its timers have not run for 4 seconds", timeout=120)
        machine.expect(r"Fatal trap on CPU 1: vector 2 \(NMI\)", timeout=20)
        machine.expect(r"rip e008:[0-9a-f]{16}", timeout=20)
        machine.expect(r"called by \[[0-9a-f]{16}\] timers_run\+0x", timeout=20)
        machine.expect("Reboots in 5 seconds", timeout=20)
        machine.expect_exit(timeout=60)
        assert "dom0-speaks" not in machine.log[machine.log.index("Watchdog:"):]


def test_noreboot_halts_after_the_report(debugger):
    with watched("noreboot", debugger) as machine:
        machine.expect(PROMPT, timeout=120)
        hang_timers_of(debugger, 0)
        machine.expect("Watchdog: CPU 0 is stuck", timeout=120)
        machine._process.expect("Halted, as noreboot asks", timeout=20)
        machine.expect_silence(5)


def test_a_healthy_machine_is_left_alone(debugger):
    """Also while CPUs go and come back, and while a key prints much."""
    with watched("loglvl=info", debugger, cpus=3) as machine:
        machine.expect(r"watchdog: 4 seconds, by the other CPUs", timeout=60)
        machine.expect(PROMPT, timeout=120)
        machine.send("for i in 1 2 1 2; do for s in 0 1; do "
                     "echo $s >/sys/devices/system/xen_cpu/xen_cpu$i/online; sleep 1; done; done; "
                     "sleep 6; echo all-$((40 + 2))\n")
        machine.expect("all-42", timeout=120)
        machine.send("poweroff\n")
        machine.expect_exit(timeout=60)
        assert "Watchdog:" not in machine.log
