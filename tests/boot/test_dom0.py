"""Debian's packaged kernels as domain 0 on Lodge: what the guest sees, on machines of many shapes.

Each shape is booted once and looked at by every test below. Where a test compares, the other side
is Debian's Xen 4.17 on the same machine with the same kernel; its console is kept under
build/cache/reference, so that it is booted once only.
"""

import collections
import re

import pytest

from lib import artifacts
from lib.machine import Machine, section

Shape = collections.namedtuple("Shape", "kernel cpus memory cpu qemu", defaults=["qemu64", "installed"])

SHAPES = [
    Shape("6.1", 1, "512M"),
    Shape("6.1", 2, "2G"),
    Shape("6.1", 8, "16G", "qemu64", "10.0"),  # emulated in 8 threads: tests/tools/tcg-threads
    Shape("6.12", 1, "16G"),
    Shape("6.12", 4, "1G"),
    Shape("6.1", 2, "1G", "max", "10.0"),
    Shape("6.1", 2, "1G", "EPYC", "10.0"),
    Shape("6.1", 2, "1G", "Skylake-Server", "10.0"),
    Shape("6.12", 2, "4G", "max", "10.0"),
]

KERN_WARNING = 4


def shape_name(shape):
    return f"{shape.kernel}-{shape.cpus}cpu-{shape.memory}-{shape.cpu}"


def boot_checks(hypervisor, shape):
    """A whole run: boot, the checks of tests/image/checks, power-off."""
    artifacts.require_memory(shape.memory)
    with Machine(hypervisor, mode="check", **shape._asdict()) as machine:
        machine.expect("lodge: init", timeout=90 + 15 * shape.cpus)
        machine.expect("lodge: done", timeout=120)
        machine.expect_exit(timeout=60)
        return machine


@pytest.fixture(scope="module", params=SHAPES, ids=shape_name)
def shape(request):
    return request.param


@pytest.fixture(scope="module")
def dom0(shape):
    return boot_checks(artifacts.UNDER_TEST, shape)


@pytest.fixture(scope="module")
def reference(shape):
    """The console of the same run on Xen 4.17."""
    kernel = (artifacts.kernel_directory(shape.kernel) / "vmlinuz").resolve().name
    path = artifacts.CACHE / "reference" / f"{kernel}-{shape_name(shape)}.log"
    if not path.exists():
        # Xen idles with MWAIT where a model has it, and QEMU 10.0 raises #GP for that.
        cpu = shape.cpu if shape.qemu == "installed" else f"{shape.cpu},-monitor"
        machine = boot_checks("xen", shape._replace(cpu=cpu))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(machine.log, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def kernel_warnings(raw_dmesg):
    """The messages of level warning or worse, without what differs from boot to boot."""
    found = set()
    for line in raw_dmesg:
        match = re.match(r"<(\d+)>\[[ \d.]+\] (.*)", line)
        if not match or int(match[1]) % 8 > KERN_WARNING:
            continue
        # What the kernel measures of its clocks depends on how busy the machine is that emulates.
        if "clocksource:" in match[2] or "hrtimer: interrupt took" in match[2]:
            continue
        text = re.sub(r"\b(0x)?[0-9a-f]{6,16}\b", "HEX", match[2])
        found.add(re.sub(r"\d+", "N", text))
    return found


def mem_total_kib(meminfo):
    return int(re.search(r"MemTotal: +(\d+) kB", "\n".join(meminfo))[1])


def test_guest_takes_lodge_for_xen(dom0):
    assert dom0.section("hypervisor") == ["xen"]


def test_kernel_is_the_packaged_one(dom0, shape):
    assert dom0.section("uname")[0].startswith(shape.kernel + ".")


def test_domain_is_the_control_domain(dom0):
    assert "control_d" in dom0.section("capabilities")[0]


def test_every_cpu_is_online(dom0, shape):
    expected = "0" if shape.cpus == 1 else f"0-{shape.cpus - 1}"
    assert dom0.section("online") == [expected]


def test_every_cpu_gets_xen_timer_events(dom0, shape):
    rows = dom0.section("interrupts")
    assert rows[0].split() == [f"CPU{cpu}" for cpu in range(shape.cpus)]
    timers = [row for row in rows if "xen-percpu" in row and row.split()[-1] == "timer0"]
    assert timers, "no xen-percpu timer in /proc/interrupts"
    per_cpu = [row for row in rows if "xen-percpu" in row and "timer" in row.split()[-1]]
    for cpu in range(shape.cpus):
        assert any(int(row.split()[1 + cpu]) > 0 for row in per_cpu), f"no timer event on CPU {cpu}"


def test_device_interrupts_are_pirqs(dom0):
    assert any("xen-pirq" in row for row in dom0.section("interrupts"))


def test_event_and_hypercall_devices_are_there(dom0):
    assert {"evtchn", "gntdev", "privcmd"} <= set(" ".join(dom0.section("devices")).split())


def test_clock_source_is_stable(dom0):
    assert dom0.section("clocksource")[0] in ("xen", "tsc")


def test_wall_clock_is_the_machines(dom0):
    seconds = int(dom0.section("date")[0])
    assert dom0.started - 5 <= seconds <= dom0.started + 300


def test_sleeping_takes_as_long_as_asked(dom0):
    before, after = (float(line.split()[0]) for line in dom0.section("sleep"))
    assert 1.0 <= after - before < 5.0


def test_guest_gets_as_much_memory_as_on_xen(dom0, reference):
    lodge, xen = (mem_total_kib(lines) for lines in (dom0.section("meminfo"), section(reference, "meminfo")))
    assert lodge >= xen - 1024


def test_no_warning_that_xen_does_not_also_give(dom0, reference):
    new = kernel_warnings(dom0.section("dmesg")) - kernel_warnings(section(reference, "dmesg"))
    assert not new, "\n".join(sorted(new))
