"""One run of a small guest as domain 0 of a hypervisor under QEMU, and what came of it."""

import os
import pathlib
import queue
import re
import subprocess
import threading
import time

from lib import artifacts

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
GUESTS = BUILD / "guests"
LODGE = BUILD / "lodge"

OPTIONS = "console=com1 com1=115200,8n1 dom0_mem=64M loglvl=warning guest_loglvl=warning"

# What a guest says (lib/report.h), and how a hypervisor says that domain 0 or itself has ended.
GUEST_LINE = re.compile(r"^(ok |not ok |result |skip |bench: |done$|guest failed|trap )")
DOM0_CRASHED = re.compile(r"(dom(ain )?0|hardware dom0).*crash", re.IGNORECASE)
PANIC = re.compile(r"panic|assertion .*failed|FATAL|BUG at", re.IGNORECASE)


class Outcome:
    """`end` is "done", "crash" (the guest died), "panic" (the hypervisor did), "gone" or "timeout"."""

    def __init__(self, end, lines, log):
        self.end = end
        self.lines = lines
        self.log = log

    def failures(self):
        return [line for line in self.lines if line.startswith(("not ok", "guest failed", "trap "))]


def fetch_xen():
    """Path of Debian's packaged Xen 4.17, fetched on first use."""
    ready = BUILD / "cache/xen/xen"
    if ready.exists():
        return ready
    script = ROOT / "tests/tools/fetch-xen"
    return pathlib.Path(subprocess.run([script], check=True, capture_output=True, text=True)
                        .stdout.split()[-1])


def command(hypervisor, image, args="", cpus=2, options="", qemu="installed", qemu_options=()):
    return [artifacts.qemu(qemu), "-cpu", "qemu64", "-smp", str(cpus), "-m", "512",
            "-kernel", str(hypervisor), "-initrd", f"{image} {args}".strip(),
            "-append", f"{OPTIONS} {options}".strip(),
            "-serial", "stdio", "-display", "none", "-monitor", "none", "-no-reboot",
            *qemu_options]


def _read_lines(stream, lines):
    for raw in stream:
        lines.put(raw.decode("latin-1").replace("\r", "").rstrip("\n"))
    lines.put(None)


def run(hypervisor, image, args="", timeout=120, **machine):
    """Boot and follow the console to the end of the guest or of the patience."""
    process = subprocess.Popen(command(hypervisor, image, args, **machine),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    pending = queue.Queue()
    threading.Thread(target=_read_lines, args=(process.stdout, pending), daemon=True).start()
    log, lines, end = [], [], None
    deadline = time.monotonic() + timeout
    try:
        while end is None:
            try:
                line = pending.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                end = "timeout"
                break
            if line is None:
                end = "gone"
                break
            log.append(line)
            if GUEST_LINE.match(line):
                lines.append(line)
                if line == "done":
                    end = "done"
            elif DOM0_CRASHED.search(line):
                end = "crash"
            elif PANIC.search(line):
                end = "panic"
    finally:
        process.kill()
        process.wait()
    return Outcome(end, lines, log)
