"""The console of a live domain 0: a shell to type into, the hypervisor's keys, reboot, power-off."""

import re

import pytest

from lib import artifacts
from lib.machine import BootError, Machine

PROMPT = "dom0# "
MACHINE_MIB = 4096

# 32 bytes and 8 bytes for each of the machine's pages.
FRAME_TABLE_MIB = MACHINE_MIB * 32 // 4096
M2P_MIB = MACHINE_MIB * 8 // 4096
CTRL_A = "\x01"


@pytest.fixture(scope="module")
def live():
    with Machine(artifacts.UNDER_TEST, mode="shell", cpus=2, memory=f"{MACHINE_MIB}M",
                 options="loglvl=all", reboot=True) as machine:
        machine.expect(PROMPT, timeout=120)
        yield machine


def test_shell_answers(live):
    live.send("echo $((6 * 7))\n")
    live.expect(r"\n42\r", timeout=20)
    live.expect(PROMPT, timeout=20)


def test_three_ctrl_a_switch_to_the_hypervisor_and_back(live):
    live.send(CTRL_A * 3)
    live.expect("(?i)input.* to (the hypervisor|xen)", timeout=20)
    live.send("h")
    live.expect("registers", timeout=20)
    live.send(CTRL_A * 3)
    live.expect("(?i)input.* to (dom0|domain 0)", timeout=20)
    live.send("echo back-$((40 + 2))\n")
    live.expect("back-42", timeout=20)
    live.expect(PROMPT, timeout=20)


@pytest.mark.skipif(artifacts.UNDER_TEST != "lodge", reason="Lodge's functions and keys")
def test_machine_that_stands_still_tells_where_its_cpus_are(live):
    with pytest.raises(BootError) as failure:
        live.expect("what nobody says", timeout=1)
    live.send(CTRL_A * 3)
    live.expect("(?i)input.* to domain 0", timeout=20)
    live.send("\n")
    live.expect(PROMPT, timeout=20)
    report = str(failure.value)
    for cpu in range(2):
        assert re.search(rf"^CPU {cpu}: at .*idle\w*\+0x", report, re.M), report
    assert re.search(r"vCPU 1: CPU \d", report), report
    assert re.search(r"CPU 1: (\d+ waiting|busy)", report), report


@pytest.mark.skipif(artifacts.UNDER_TEST != "lodge", reason="reads what Lodge's memory key prints")
def test_hypervisor_keeps_at_most_16_mib(live):
    """Beyond frame table and machine-to-physical table: what is neither free nor domain 0's."""
    live.send(CTRL_A * 3)
    live.expect("(?i)input.* to the hypervisor", timeout=20)
    live.send("m")
    free_kib = int(live.expect(r"heap, (\d+) KiB free", timeout=20)[1])
    dom0_kib = int(live.expect(r"domain 0: (\d+) KiB", timeout=20)[1])
    live.send(CTRL_A * 3)
    live.expect("(?i)input.* to domain 0", timeout=20)
    live.send("\n")
    live.expect(PROMPT, timeout=20)
    kept_mib = MACHINE_MIB - (free_kib + dom0_kib) // 1024
    assert kept_mib - FRAME_TABLE_MIB - M2P_MIB <= 16


def counters(live):
    """What key p prints: of domain 0, its sums and the hypercalls by name."""
    live.send(CTRL_A * 3)
    live.expect("(?i)input.* to the hypervisor", timeout=20)
    live.send("p")
    live.expect("domain 0, since it began", timeout=20)
    text = live.expect(r"((?s:.*?))\n[^\n]*forced CPUIDs +\d+", timeout=20)[1]
    live.send(CTRL_A * 3)
    live.expect("(?i)input.* to domain 0", timeout=20)
    live.send("\n")
    live.expect(PROMPT, timeout=20)
    return {name.strip(): int(n) for name, n in re.findall(r"\(lodge\) +(\S[^\n]*?) +(\d+)\r*$", text, re.M)}


@pytest.mark.skipif(artifacts.UNDER_TEST != "lodge", reason="reads what Lodge's counters key prints")
def test_counters_follow_what_domain_0_does(live):
    before = counters(live)
    live.send("for i in 1 2 3 4 5 6 7 8 9 10; do ls / >/dev/null; done\n")
    live.expect(PROMPT, timeout=60)
    after = counters(live)
    for name in "hypercalls", "iret", "mmu_update", "exceptions", "system calls of guests' programs":
        assert after[name] > before[name] + 10, name
    assert after["update_va_mapping"] > 1000


def test_reboot_starts_the_machine_again(live):
    live.send("reboot\n")
    live.expect("lodge: init", timeout=120)
    live.expect(PROMPT, timeout=60)


def test_poweroff_ends_qemu(live):
    live.send("poweroff\n")
    live.expect_exit(timeout=60)


def test_image_is_at_most_one_mebibyte():
    """What is loaded; debug sections in the file are not."""
    assert artifacts.loaded_bytes(artifacts.hypervisor("lodge")) <= 1 << 20
