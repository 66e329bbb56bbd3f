"""QEMU's monitor, beside a machine's console: commands, and what its CPUs are at.

A machine that stands still is asked here, because its own console may have nothing left to say.
"""

import bisect
import re
import shutil
import socket
import subprocess
import tempfile
import time

PROMPT = "(qemu) "
SAMPLES = 4  # of each CPU's instruction pointer: does it go round in circles?


class Monitor:
    """`arguments` belong on QEMU's command line; it listens as soon as QEMU runs."""

    def __init__(self):
        self._directory = tempfile.mkdtemp(prefix="lodge-monitor-")
        self._path = f"{self._directory}/socket"
        self.arguments = ["-monitor", f"unix:{self._path},server=on,wait=off"]

    def do(self, command, timeout=10):
        """What QEMU answers to one command. OSError: it does not."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(timeout)
            monitor.connect(self._path)
            _read_answer(monitor)
            monitor.sendall(command.encode() + b"\n")
            return _read_answer(monitor)

    def close(self):
        shutil.rmtree(self._directory, ignore_errors=True)

    def describe_cpus(self, symbols):
        """Where each CPU was at several moments, the instruction it was at last, its registers then.

        symbols names addresses: a Symbols.
        """
        seen = []
        for _ in range(SAMPLES):
            seen.append(split_cpus(self.do("info registers -a")))
            time.sleep(0.2)
        lines = []
        for cpu, registers in seen[-1].items():
            places = [field(sample[cpu], "RIP") for sample in seen]
            lines.append(f"CPU {cpu}: at " + ", ".join(symbols.name(place) for place in places))
            self.do(f"cpu {cpu}")
            lines.append("    " + last_line(self.do(f"x/1i 0x{places[-1]}")))
            lines += ["    " + line for line in registers.splitlines()
                      if re.match(r"R\w{1,2} ?=|CR0=|[CS]S =", line)]
        return "\n".join(lines)


def _read_answer(monitor):
    answer = ""
    while not answer.endswith(PROMPT):
        received = monitor.recv(65536).decode(errors="replace")
        if not received:
            raise OSError("QEMU closed its monitor")
        answer += received
    # The first line is the command, echoed letter by letter.
    return answer.replace("\r", "").removesuffix(PROMPT).partition("\n")[2]


def split_cpus(answer):
    """The answer to `info registers -a` as {number: its part}."""
    parts = re.split(r"^CPU#(\d+)$", answer, flags=re.M)
    return {int(number): text for number, text in zip(parts[1::2], parts[2::2])}


def field(registers, name):
    return re.search(rf"^{name} ?=(\w+)", registers, re.M)[1]


def last_line(answer):
    return (answer.strip().splitlines() or ["no instruction there"])[-1]


class Symbols:
    """The functions of an ELF file, by address. Without a file: none, and addresses stay numbers."""

    def __init__(self, path=None):
        self._names = []
        if path is not None and path.exists():
            listing = subprocess.run(["nm", "-n", path], check=True, capture_output=True, text=True)
            for line in listing.stdout.splitlines():
                words = line.split()
                if len(words) == 3 and words[1] in "tTwW":
                    self._names.append((int(words[0], 16), words[2]))

    def name(self, address):
        """"flush_tlb_mask+0x1a" for an address (as hexadecimal text) within the file, or the text."""
        n = int(address, 16)
        at = bisect.bisect(self._names, (n, "\x7f")) - 1
        if at < 0 or at == len(self._names) - 1:
            return address
        start, symbol = self._names[at]
        return f"{symbol}+{n - start:#x}"
