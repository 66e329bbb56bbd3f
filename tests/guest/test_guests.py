"""Every test guest on Xen 4.17 and on Lodge: no check may fail, and both must say the same."""

import difflib

import pytest

import guest_run

# image: (command line, checks in which Xen itself is wrong here, and why)
GUESTS = {
    "hello": ("", ()),
    "start": ("one two=three", ()),
    "traps": ("", ()),
    # QEMU before 8 reports twice the vector of `int n` in long mode, and Xen believes it.
    "softint": ("", ("int-",)),
    "priv": ("", ()),
    "cpuid": ("", ()),
    "msr": ("", ()),
    "pagetables": ("", ()),
    "mmu": ("", ()),
    "mmuext": ("", ()),
    "race": ("", ()),
    "segments": ("", ()),
    "multicall": ("", ()),
    "evtchn": ("", ()),
    "fifo": ("", ()),
    "time": ("", ()),
    "memory": ("", ()),
    "grant": ("", ()),
    "vcpu": ("", ()),
    "version": ("", ()),
    "sweep": ("", ()),
}

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


def on_xen(name):
    if name not in _xen_outcomes:
        args, _ = GUESTS[name]
        _xen_outcomes[name] = guest_run.run(guest_run.fetch_xen(), guest_run.GUESTS / f"{name}.elf", args)
    return _xen_outcomes[name]


def tail(outcome):
    return "\n".join(outcome.log[-30:])


def unexcused(outcome, excuses):
    return [line for line in outcome.failures() if not any(excuse in line for excuse in excuses)]


def comparable(outcome, excuses):
    return [line for line in outcome.lines if not any(excuse in line for excuse in excuses)]


@pytest.mark.parametrize("name", GUESTS)
def test_xen(name):
    outcome = on_xen(name)
    assert outcome.end == "done", tail(outcome)
    assert not unexcused(outcome, GUESTS[name][1])
    assert any(line.startswith(("ok ", "result ")) for line in outcome.lines)


@pytest.mark.parametrize("name", GUESTS)
def test_lodge_agrees(name):
    if not guest_run.LODGE.exists():
        pytest.skip(f"{guest_run.LODGE} is not built")
    args, excuses = GUESTS[name]
    ours = guest_run.run(guest_run.LODGE, guest_run.GUESTS / f"{name}.elf", args)
    assert ours.end == "done", tail(ours)
    assert not ours.failures()
    theirs = on_xen(name)
    difference = list(difflib.unified_diff(comparable(theirs, excuses), comparable(ours, excuses),
                                           "xen", "lodge", lineterm="", n=0))
    assert not difference, "\n".join(difference)


def test_every_guest_is_listed():
    images = {path.stem for path in guest_run.GUESTS.glob("*.elf")}
    assert images - {"hostile", "bench"} == set(GUESTS)
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
