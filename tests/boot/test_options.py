"""Words on the hypervisor's command line that change what domain 0 gets."""

import re

from lib import artifacts
from lib.machine import Machine


def run_checks(options, **machine_options):
    with Machine(artifacts.UNDER_TEST, mode="check", options=options, **machine_options) as machine:
        machine.expect("lodge: done", timeout=180)
        machine.expect_exit(timeout=60)
        return machine


def meminfo_mib(machine, name):
    text = "\n".join(machine.section("meminfo"))
    return int(re.search(rf"{name}: +(\d+) kB", text)[1]) // 1024


def test_dom0_mem_and_dom0_max_vcpus_bound_the_domain():
    """The kernel keeps some of the 384 MiB for itself, and makes ready to map `max:` and no more."""
    machine = run_checks("dom0_mem=384M,max:384M dom0_max_vcpus=1", cpus=2, memory="1G")
    assert 240 < meminfo_mib(machine, "MemTotal") <= 384
    assert 380 <= meminfo_mib(machine, "DirectMap4k") <= 388
    assert machine.section("online") == ["0"]


def test_unknown_option_is_reported_and_not_fatal():
    machine = run_checks("no_such_option=1 dom0_mem=50% maxcpus=1", cpus=2, memory="1G")
    assert re.search("(?i)command line: .*no_such_option", machine.log)
    assert 300 < meminfo_mib(machine, "MemTotal") <= 512
    assert machine.section("online") == ["0"]
