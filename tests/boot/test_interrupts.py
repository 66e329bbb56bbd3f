"""Debian's kernel drives disks and network cards on a q35, and loses no interrupt.

Every device sends messages; their CPUs are changed all the time while all of them work
(tests/image/checks-interrupts). A kernel that misses an interrupt says so after a time-out: NVMe
polls, AHCI and the network cards reset, virtio hangs.
"""

import re

import pytest

from lib import artifacts, modules
from lib.machine import Machine, packaged_modules

DRIVERS = ["virtio_pci", "virtio_net", "virtio_blk", "nvme", "ahci", "sd_mod", "e1000e"]
DISKS = ["virtio", "ahci", "nvme"]
COMPLAINTS = re.compile(r"\b(time.?out|polled|lost|hung|stalls?|stalled|reset|nobody cared|lockup)\b|WATCHDOG")
# Of a SATA link that comes up.
HARMLESS = re.compile(r"link reset")


@pytest.fixture(scope="module")
def image():
    return modules.image_with(artifacts.initramfs("6.1"), artifacts.kernel_directory("6.1"), DRIVERS,
                              artifacts.ROOT / "tests/image/checks-interrupts",
                              artifacts.BUILD / "image/interrupts-6.1.cpio")


@pytest.fixture(scope="module")
def disk():
    path = artifacts.BUILD / "image/random.img"
    with open(path, "wb") as file, open("/dev/urandom", "rb") as source:
        file.write(source.read(16 << 20))
    return path


@pytest.fixture(scope="module", params=[2, 4], ids=lambda cpus: f"{cpus}cpu")
def dom0(request, image, disk):
    (kernel, command_line), _ = packaged_modules(artifacts.UNDER_TEST, "6.1", "lodge.mode=check")
    with Machine(artifacts.UNDER_TEST, machine="q35", cpus=request.param,
                 modules=[(kernel, command_line), (image, "")],
                 disks=[(kind, disk) for kind in DISKS], nics=["virtio", "e1000e"]) as machine:
        machine.expect("lodge: begin work", timeout=240)
        machine.expect("lodge: done", timeout=300)
        return machine


def rows(machine, pattern):
    """Counts of each CPU in the rows of /proc/interrupts that end so."""
    lines = machine.section("interrupts")
    cpus = len(lines[0].split())
    return {line.split()[-1]: [int(count) for count in line.split()[1:1 + cpus]]
            for line in lines if "xen-pirq" in line and re.search(pattern, line.split()[-1])}


def test_all_that_was_asked_for_came(dom0):
    work = dom0.section("work")
    assert {line.split()[0] for line in work} == {"vda", "sda", "nvme0n1", "eth0", "eth1"}
    assert not [line for line in work if not line.endswith((" whole", " lost 0%"))]


def test_every_device_interrupts_by_message(dom0):
    lines = [line for line in dom0.section("interrupts") if "xen-pirq" in line]
    for device, kind in {"nvme0q": "-msi-x", "ahci": "-msi", "virtio0": "-msi-x", "virtio1": "-msi-x",
                         "eth1": "-msi-x"}.items():
        found = [line for line in lines if line.split()[-1].startswith(device)]
        assert found and all(line.split()[-2] == kind for line in found), device
        assert any(sum(counts) for counts in rows(dom0, f"^{device}").values()), device


def test_interrupts_follow_their_affinity(dom0):
    for device in "^ahci", "^virtio.*-(input|output)", "^eth1-":
        total = [sum(column) for column in zip(*rows(dom0, device).values())]
        assert sum(count > 0 for count in total) >= 2, f"{device}: {total}"


def test_kernel_misses_nothing(dom0):
    bad = [line for line in dom0.section("dmesg") if COMPLAINTS.search(line) and not HARMLESS.search(line)]
    assert not bad, "\n".join(bad)


def test_hypervisor_complains_of_nothing(dom0):
    assert not re.findall(r"^\((?:lodge|XEN)\).*\b(?:irq|vector|PCI)\b.*$", dom0.log, re.M)
