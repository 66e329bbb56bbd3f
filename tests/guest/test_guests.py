"""Every test guest on Xen 4.17 and on Lodge: no check may fail, and both must say the same."""

import dataclasses
import difflib
import re

import pytest

import guest_run

ENOSYS = 38

@dataclasses.dataclass(frozen=True)
class Guest:
    """An image and how to run it. `excused` names checks in which Xen itself is wrong here; `absent`
    matches results of operations that Lodge does not have yet, where it must answer -ENOSYS."""
    image: str
    args: str = ""
    module: bool = False
    excused: tuple = ()
    absent: str = ""
    machine: dict = dataclasses.field(default_factory=dict)


Q35 = ("-machine", "q35")
STORM = {"qemu_options": ("-device", "edu"), "options": "irq_ratelimit=20"}

GUESTS = {
    "hello": Guest("hello"),
    "start": Guest("start", "one two=three"),
    "start-module": Guest("start", "one two=three", module=True),
    "start-old": Guest("start-old", "one two=three"),
    "start-old-module": Guest("start-old", "one two=three", module=True),
    "traps": Guest("traps"),
    # QEMU before 8 reports twice the vector of `int n` in long mode, and Xen believes it.
    "softint": Guest("softint", excused=("int-",)),
    "compat": Guest("compat"),
    "priv": Guest("priv"),
    "cpuid": Guest("cpuid"),
    "msr": Guest("msr"),
    "pagetables": Guest("pagetables"),
    "mmu": Guest("mmu"),
    "mmuext": Guest("mmuext"),
    "long": Guest("long"),
    "race": Guest("race"),
    "segments": Guest("segments"),
    "multicall": Guest("multicall"),
    "evtchn": Guest("evtchn"),
    "fifo": Guest("fifo"),
    "time": Guest("time"),
    "memory": Guest("memory", absent=r"command-(1[6-9]|2[15-8])-unmapped"),
    "grant": Guest("grant"),
    "grant2": Guest("grant2"),
    "trace": Guest("trace", machine={"cpus": 1}), # one CPU, one buffer
    "vcpu": Guest("vcpu"),
    "domain": Guest("domain"),
    "vcpu-pinned": Guest("vcpu", machine={"options": "dom0_vcpus_pin"}),
    # Xen's clock steps back by a little where a vCPU goes from CPU to CPU.
    "updown": Guest("updown", excused=("clock-goes-on",)),
    "updown-one-cpu": Guest("updown", machine={"cpus": 1, "options": "dom0_max_vcpus=2"}),
    # Two vCPUs that have to share one CPU.
    "switch": Guest("switch", machine={"cpus": 1, "options": "dom0_max_vcpus=2"}),
    "version": Guest("version"),
    "physdev": Guest("physdev", machine={"qemu_options": ("-serial", "null")}),
    # Xen does not let a line be mapped again that was unmapped.
    "gsi": Guest("gsi", excused=("returned-line-",), machine={"qemu_options": ("-serial", "null")}),
    # Xen wants messages answered that cannot be masked.
    **{f"eoi-{v}": Guest("eoi", args=f"v={v}", excused=("unmaskable-",),
                         machine={"qemu_options": ("-device", "edu")}) for v in (1, 2)},
    # Microcode, quirks, adding and parking CPUs, MSRs from afar, symbols.
    "platform": Guest("platform", absent="ones-(35|39|58|59|60|61|63)"),
    "pcpu": Guest("pcpu"),
    "pcpu-pinned": Guest("pcpu", machine={"options": "dom0_vcpus_pin"}),
    "pcpu-threads": Guest("pcpu", machine={"cpus": "2,threads=2",
                                           "qemu_options": ("-cpu", "Nehalem")}),
    "pci": Guest("pci", machine={"qemu_options": ("-device", "edu")}),
    "pci-q35": Guest("pci", machine={"qemu_options": (*Q35, "-device", "edu")}),
    "mmio": Guest("mmio", machine={"qemu_options": ("-device", "edu")}),
    "mmio-iommu": Guest("mmio", machine={"qemu_options": (*Q35, "-device", "intel-iommu,intremap=off",
                                                          "-device", "edu")}),
    # Xen guards messages less, loses a table that moves, leaves earlier mappings alone, and does not survive a device's removal.
    "msi": Guest("msi", excused=("message-", "moved-", "exposed-", "removed-"),
                 machine={"qemu_options": (*Q35, "-device", "edu", "-device", "e1000e")}),
    "sriov": Guest("sriov", machine={"qemu": "10.0", "qemu_options": (*Q35, "-device", "igb")}),
    # Xen answers for a guest that does not within a millisecond.
    "storm": Guest("storm", excused=("unanswered-",), machine=STORM),
    # Compatibility numbers, profiling, HVM, the control plane and machine checks.
    "sweep": Guest("sweep", absent=r"hypercall-(16|19|31|34|35|36|37|41|42|48|49)-"),
}

# On other CPUs too. Speculation controls (ARCH_CAPABILITIES) are not there yet.
MAX = {"qemu_options": ("-cpu", "max")}
INTEL = {"qemu_options": ("-cpu", "Nehalem")}
NO_SPECULATION_CONTROLS = ("leaf-00000007.0", "read-0000010a")
for _image in "compat", "priv", "cpuid", "msr":
    GUESTS[f"{_image}-max"] = Guest(_image, machine=MAX)
    GUESTS[f"{_image}-intel"] = Guest(_image, machine=INTEL, excused=NO_SPECULATION_CONTROLS)

# Guests that must die, and the hypervisor must say so and live (guests/hostile.c).
HOSTILE = [
    "unmapped-stack", "non-canonical-stack", "hypervisor-stack", "m2p-stack", "page-table-stack",
    "stack-overflow", "user-stack-in-hypervisor", "user-stack-non-canonical",
    "user-stack-unmapped", "no-trap-table", "handler-unmapped", "upcall-unmapped",
    "upcall-on-bad-stack", "iret-frame-unmapped", "iret-frame-in-hypervisor",
    "iret-frame-non-canonical", "iret-to-user-without-root", "failsafe-unmapped",
    "own-code-unmapped", "shutdown-crash",
]

_xen_outcomes = {}


def run(hypervisor, guest):
    args = guest.args
    if guest.module:
        module = guest_run.GUESTS / "module"
        module.write_bytes(bytes((i * 7 + 3) & 255 for i in range(10000)))
        args += f",{module}"
    return guest_run.run(hypervisor, guest_run.GUESTS / f"{guest.image}.elf", args, **guest.machine)


def on_xen(name):
    if name not in _xen_outcomes:
        _xen_outcomes[name] = run(guest_run.fetch_xen(), GUESTS[name])
    return _xen_outcomes[name]


def tail(outcome):
    return "\n".join(outcome.log[-30:])


def unexcused(outcome, excused):
    return [line for line in outcome.failures() if not any(part in line for part in excused)]


def comparable(outcome, excused):
    return [line for line in outcome.lines if not any(part in line for part in excused)]


def without_absent(theirs, ours, absent):
    """Xen's lines, with -ENOSYS where the operation is absent and Lodge honestly says so."""
    honest = {line for line in ours if absent and re.match(f"result {absent}.* {-ENOSYS}$", line)}
    answers = {line.rsplit(" ", 1)[0]: line for line in honest}
    return [answers.get(line.rsplit(" ", 1)[0], line) for line in theirs]


@pytest.mark.parametrize("name", GUESTS)
def test_xen(name):
    outcome = on_xen(name)
    assert outcome.end == "done", tail(outcome)
    assert not unexcused(outcome, GUESTS[name].excused)
    assert any(line.startswith(("ok ", "result ")) for line in outcome.lines)


@pytest.mark.parametrize("name", GUESTS)
def test_lodge_agrees(name):
    if not guest_run.LODGE.exists():
        pytest.skip(f"{guest_run.LODGE} is not built")
    guest = GUESTS[name]
    outcome = run(guest_run.LODGE, guest)
    assert outcome.end == "done", tail(outcome)
    assert not outcome.failures()
    ours = comparable(outcome, guest.excused)
    theirs = without_absent(comparable(on_xen(name), guest.excused), ours, guest.absent)
    difference = list(difflib.unified_diff(theirs, ours, "xen", "lodge", lineterm="", n=0))
    assert not difference, "\n".join(difference)


def test_storms_are_reported_once():
    outcome = run(guest_run.LODGE, GUESTS["storm"])
    reports = [line for line in outcome.log if "held back" in line]
    assert len(reports) == 2, tail(outcome)
    assert len({line.split("irq ")[1].split()[0] for line in reports}) == 2


def test_every_guest_is_listed():
    images = {path.stem for path in guest_run.GUESTS.glob("*.elf")}
    assert images - {"hostile", "bench"} == {guest.image for guest in GUESTS.values()}
    listed = guest_run.run(guest_run.fetch_xen(), guest_run.GUESTS / "hostile.elf")
    assert [line.split()[-1] for line in listed.lines if line.startswith("result")] == HOSTILE


def check_crash(hypervisor, name):
    outcome = guest_run.run(hypervisor, guest_run.GUESTS / "hostile.elf", f"test={name}")
    assert outcome.lines == [f"result hostile {name}"], tail(outcome)
    assert outcome.end == "crash", f"{outcome.end}\n{tail(outcome)}"


@pytest.mark.parametrize("name", HOSTILE)
def test_xen_reports_crash(name):
    check_crash(guest_run.fetch_xen(), name)


@pytest.mark.parametrize("name", HOSTILE)
def test_lodge_reports_crash(name):
    if not guest_run.LODGE.exists():
        pytest.skip(f"{guest_run.LODGE} is not built")
    check_crash(guest_run.LODGE, name)
