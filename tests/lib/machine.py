"""One virtual machine on QEMU, and what its serial console says.

    with Machine("lodge", kernel="6.1", mode="check", cpus=2) as machine:
        machine.expect("lodge: done", timeout=120)
        machine.expect_exit(timeout=30)
        print(machine.section("interrupts"))

The first argument is "native" (the kernel alone), "xen" (Debian's Xen 4.17 beneath it) or
"lodge". All three boot the same kernel and the same image, with the same options for the guest.
"""

import re
import shlex
import socket
import time

import pexpect

from . import artifacts
from .monitor import Monitor, Symbols

TAIL_LINES = 40

# What Lodge is asked when the machine stands still: domains, run queues, registers, timers, events, stacks.
# The last is none of its keys, and so marks the end of the answers.
DEBUG_KEYS = "qr0ted~"
DEBUG_KEYS_END = "'~': no such key"
SWITCH_INPUT = "\x01" * 3

# After these words a console says nothing more that a test could wait for.
DEAD = r"machine is halted|Halted, as|Kernel panic - not syncing|early exception"

DISKS = {
    "virtio": ["-device", "virtio-blk-pci,drive={0}"],
    "ahci": ["-device", "ahci,id=ahci-{0}", "-device", "ide-hd,bus=ahci-{0}.0,drive={0}"],
    "nvme": ["-device", "nvme,serial={0},drive={0}"],
}
NICS = {"virtio": "virtio-net-pci", "e1000e": "e1000e"}
FORWARDED_PORT = 5000


class BootError(Exception):
    """The machine did not do what was expected; the message carries its console's last lines."""


def packaged_modules(hypervisor, kernel, command_line):
    """Debian's kernel and our image; a kernel's panic is a reset at once."""
    console = "ttyS0" if hypervisor == "native" else "hvc0"
    return [(artifacts.kernel_directory(kernel) / "vmlinuz", f"console={console} panic=-1 {command_line}"),
            (artifacts.initramfs(kernel), "")]


def module_argument(path, command_line):
    """One module of -initrd: a comma separates modules, so one inside is written twice."""
    return " ".join([str(path), command_line]).strip().replace(",", ",,")


class Machine:
    """Started when made, stopped when the `with` block ends.

    hypervisor      "native", "xen" or "lodge"
    kernel          "6.1" or "6.12" as packaged
    mode            what the guest does: lodge.mode= of tests/image/init
    cpus, memory    of the machine, as QEMU's -smp and -m take them
    cpu             QEMU's -cpu; qemu "installed", "10.0" or a path
    icount          count instructions: one per nanosecond, one per tick of the timestamp counter
    options         further words for the hypervisor; kernel_options: for the kernel
    modules         instead of kernel and image: a list of (path, command line); may be empty
    cdrom           boot from this image instead, which holds hypervisor, kernel and options
    machine         QEMU's -machine; reboot: whether a reset starts it anew or ends QEMU
    disks           a list of (kind, image); a kind of DISKS. What is written is thrown away at the end
    nics            a list of kinds of NICS, on a network of their own: 10.0.2.15 is reached from here at
                    127.0.0.1, port self.forwarded of the guest's port FORWARDED_PORT; nothing else is
    """

    def __init__(self, hypervisor, *, kernel="6.1", mode="wait", cpus=1, memory="1G", cpu="qemu64",
                 qemu="installed", icount=False, options="", kernel_options="", modules=None,
                 cdrom=None, machine="pc", reboot=False, disks=(), nics=()):
        self.log = ""
        self.started = time.time()
        self.command = [artifacts.qemu(qemu), "-nodefaults", "-no-user-config", "-display", "none",
                        "-serial", "stdio", "-machine", machine, "-cpu", cpu, "-smp", str(cpus),
                        "-m", memory]
        if icount:
            self.command += ["-accel", "tcg", "-icount", "shift=0,sleep=off"]
        else:
            self.command += ["-accel", artifacts.tcg(self.command[0]) if cpus > 1 else "tcg"]
        if not reboot:
            self.command += ["-no-reboot"]
        for number, (kind, image) in enumerate(disks):
            self.command += disk_arguments(number, kind, image)
        self.forwarded = []
        for number, kind in enumerate(nics):
            self.forwarded.append(free_port())
            self.command += nic_arguments(number, kind, self.forwarded[number])
        if cdrom:
            self.command += ["-cdrom", str(cdrom)]
        else:
            if modules is None:
                modules = packaged_modules(hypervisor, kernel, f"lodge.mode={mode} {kernel_options}")
            self.command += boot_arguments(hypervisor, options, modules)
        self._hypervisor = hypervisor
        self.monitor = Monitor()
        self.command += self.monitor.arguments
        self._process = pexpect.spawn(self.command[0], self.command[1:], encoding="utf-8",
                                      codec_errors="replace", echo=False, timeout=60,
                                      dimensions=(24, 1000))
        self._process.logfile_read = self

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stop()

    def write(self, text):
        """pexpect's log: everything the console said."""
        self.log += text.replace("\r", "")

    def flush(self):
        """pexpect's log wants one."""

    def expect(self, pattern, timeout):
        """Wait until the console says what the regular expression matches; returns the match."""
        try:
            died = self._process.expect([pattern, DEAD], timeout=timeout)
        except pexpect.TIMEOUT:
            raise self.standstill(f"console did not say '{pattern}' within {timeout} s") from None
        except pexpect.EOF:
            raise self.error(f"QEMU ended before the console said '{pattern}'") from None
        if died:
            raise self.error(f"machine stopped before the console said '{pattern}'")
        return self._process.match

    def expect_exit(self, timeout):
        """Wait until QEMU ends, by power-off or (without reboot=True) by reset."""
        try:
            halted = self._process.expect([pexpect.EOF, "machine is halted"], timeout=timeout)
        except pexpect.TIMEOUT:
            raise self.standstill(f"QEMU did not end within {timeout} s") from None
        if halted:
            raise self.error("machine halted and QEMU did not end")
        self._process.close()
        if self._process.exitstatus != 0:
            raise self.error(f"QEMU ended with status {self._process.exitstatus}, "
                             f"signal {self._process.signalstatus}")

    def expect_silence(self, seconds):
        """The machine says nothing more and is not reset for so long: it halted."""
        deadline = time.time() + 60
        while time.time() < deadline:
            if self._process.expect([r".", pexpect.TIMEOUT, pexpect.EOF], timeout=seconds) != 0:
                break
        if not self._process.isalive() or time.time() >= deadline:
            raise self.error("machine did not halt")

    def send(self, text):
        """Type on the console."""
        self._process.send(text)

    def stop(self):
        """End QEMU if it still runs."""
        if self._process.isalive():
            self._process.close(force=True)
        self.monitor.close()

    def section(self, name):
        """What /etc/checks wrote to the console under this name, as a list of lines."""
        lines = section(self.log, name)
        if lines is None:
            raise self.error(f"no section '{name}' on the console")
        return lines

    def error(self, what):
        """A BootError with this message, the command and the end of the console."""
        tail = "\n".join(self.log.splitlines()[-TAIL_LINES:])
        return BootError(f"{what}\n{shlex.join(self.command)}\n--- console ---\n{tail}")

    def standstill(self, what):
        """error(), and what QEMU and Lodge tell of a machine that says nothing more."""
        error = self.error(what)
        return BootError(f"{error}\n--- CPUs ---\n{self._ask_qemu()}\n"
                         f"--- debug keys ---\n{self._ask_lodge()}")

    def _ask_qemu(self):
        image = artifacts.BUILD / "lodge.debug" if self._hypervisor == "lodge" else None
        try:
            return self.monitor.describe_cpus(Symbols(image))
        except OSError as failure:
            return f"QEMU's monitor: {failure}"

    def _ask_lodge(self):
        if self._hypervisor != "lodge":
            return "asked of Lodge only"
        start = len(self.log)
        # The keyboard may have been Lodge's already: then the first time gives it away.
        for _ in range(2):
            self.send(SWITCH_INPUT)
            if self._hear("Input goes to the hypervisor", 10):
                break
        self.send(DEBUG_KEYS)
        self._hear(DEBUG_KEYS_END, 30)
        return self.log[start:]

    def _hear(self, pattern, timeout):
        return self._process.expect([pattern, pexpect.TIMEOUT, pexpect.EOF], timeout=timeout) == 0


def section(log, name):
    """What /etc/checks wrote under this name in a console's log, or None."""
    match = re.search(rf"^lodge: begin {name}\n(.*?)^lodge: end {name}$", log, re.M | re.S)
    if not match:
        return None
    return [line for line in match[1].splitlines() if not line.startswith("(XEN)")]


def disk_arguments(number, kind, image):
    """QEMU's arguments for one disk and the controller that it sits on."""
    name = f"disk{number}"
    return ["-drive", f"if=none,id={name},file={image},snapshot=on",
            *(word.format(name) for word in DISKS[kind])]


def nic_arguments(number, kind, port):
    """QEMU's arguments for one card, on a network of its own that only this host's port reaches."""
    name = f"net{number}"
    return ["-netdev", f"user,id={name},restrict=on,hostfwd=tcp:127.0.0.1:{port}-:{FORWARDED_PORT}",
            "-device", f"{NICS[kind]},netdev={name}"]


def free_port():
    """A port that nobody on this host listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def boot_arguments(hypervisor, options, modules):
    """QEMU's arguments that boot the modules natively or on a hypervisor.

    On its command line the hypervisor gets its console and `options`.
    """
    if hypervisor == "native":
        (kernel, command_line), (image, _) = modules
        return ["-kernel", str(kernel), "-append", command_line, "-initrd", str(image)]
    arguments = ["-kernel", str(artifacts.hypervisor(hypervisor)),
                 "-append", f"console=com1 com1=115200,8n1 {options}".strip()]
    if modules:
        arguments += ["-initrd", ",".join(module_argument(*module) for module in modules)]
    return arguments
