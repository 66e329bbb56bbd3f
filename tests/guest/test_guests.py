"""Every test guest on Xen 4.17 and on Lodge: no check may fail, and both must say the same."""

import difflib

import pytest

import guest_run

# image: (command line, checks that Xen itself fails here, and why)
GUESTS = {
    "hello": ("", ()),
    "start": ("one two=three", ()),
    "traps": ("", ()),
    "priv": ("", ()),
    "cpuid": ("", ()),
    "msr": ("", ()),
    "pagetables": ("", ()),
    "mmu": ("", ()),
    "mmuext": ("", ()),
    "segments": ("", ()),
    # QEMU before 8 reports twice the vector of `int n` in long mode, and Xen believes it.
    "softint": ("", ("int-",)),
}

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
