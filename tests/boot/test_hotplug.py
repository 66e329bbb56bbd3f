"""CPUs go and come back under a loaded domain 0: the machine's, and its own."""

import re

from lib import artifacts
from lib.machine import Machine

PROMPT = "dom0# "
CPUS = 4
SECONDS = 20


def test_cpus_go_and_come_back():
    with Machine(artifacts.UNDER_TEST, mode="shell", cpus=CPUS) as machine:
        machine.expect(PROMPT, timeout=180)
        machine.send(f"sh /etc/hotplug {SECONDS}\n")
        machine.expect("lodge: hotplug done", timeout=60 + 10 * SECONDS)
        said = machine.log[machine.log.rindex("/etc/hotplug"):]
        rounds = dict(re.findall(r"lodge: (\w+): (\d+) rounds, 0 failures", said))
        assert int(rounds["physical"]) > 0 and int(rounds["virtual"]) > 0, said
        assert f"lodge: online 0-{CPUS - 1}\n" in said
        assert "lost its text" not in said
        assert not re.search(r"BUG|WARNING|lockup|\bstall|hung|Call Trace", said), said
        machine.send("poweroff\n")
        machine.expect_exit(timeout=60)
