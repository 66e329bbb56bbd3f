"""GRUB loads the hypervisor, the kernel and the image from a CD, by either Multiboot protocol.

What QEMU's -kernel cannot show: modules that lie below and above the image, a command line that
begins with GRUB's placeholder and not with a file's name, ACPI's root pointer in a tag.
"""

import re
import shutil
import subprocess

import pytest

from lib import artifacts
from lib.machine import Machine

# What Debian's 20_linux_xen writes, for each of the protocols.
COMMANDS = {
    "multiboot": ("multiboot", "module"),
    "multiboot2": ("multiboot2", "module2"),
}


def configuration(protocol, words, kernel_words):
    load, module = COMMANDS[protocol]
    return f"""serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
{load} /boot/hypervisor placeholder {words}
{module} /boot/vmlinuz placeholder {kernel_words}
{module} /boot/initrd
boot
"""


@pytest.fixture
def grub(tmp_path):
    """Makes machines that boot from a CD: grub(protocol, hypervisor's words, kernel's words)."""
    if not shutil.which("grub-mkrescue") or not shutil.which("xorriso"):
        raise artifacts.Unavailable("no grub-mkrescue here (packages grub-common, grub-pc-bin, xorriso)")

    def start(protocol, words, kernel_words="", *, kernel=None, image=None, **options):
        root = tmp_path / "cd"
        (root / "boot/grub").mkdir(parents=True)
        shutil.copy(artifacts.hypervisor(artifacts.UNDER_TEST), root / "boot/hypervisor")
        shutil.copy(kernel or artifacts.kernel_directory("6.1") / "vmlinuz", root / "boot/vmlinuz")
        shutil.copy(image or artifacts.initramfs("6.1"), root / "boot/initrd")
        (root / "boot/grub/grub.cfg").write_text(configuration(protocol, words, kernel_words))
        subprocess.run(["grub-mkrescue", "-o", tmp_path / "cd.iso", root], check=True,
                       capture_output=True)
        return Machine(artifacts.UNDER_TEST, cdrom=tmp_path / "cd.iso", **options)

    return start


@pytest.mark.parametrize("protocol", COMMANDS)
def test_grub_boots_dom0(grub, protocol):
    words = "console=com1 com1=115200,8n1"
    kernel_words = "console=hvc0 panic=-1 lodge.mode=wait"
    with grub(protocol, words, kernel_words, cpus=2, memory="1G") as vm:
        said = vm.expect(r"Kernel command line: ([^\r\n]*)\r", timeout=180)[1]
        assert "placeholder" not in said or artifacts.UNDER_TEST == "xen"
        assert said.endswith(kernel_words)
        vm.expect("lodge: init", timeout=180)
        vm.expect("lodge: done", timeout=60)
        vm.expect_exit(timeout=60)


@pytest.mark.skipif(artifacts.UNDER_TEST != "lodge", reason="reads Lodge's own boot messages")
@pytest.mark.parametrize("protocol", COMMANDS)
def test_modules_and_command_lines_are_found(grub, protocol, tmp_path):
    """No kernel is needed: what the loader gave is said before the first module is looked at."""
    kernel, image = tmp_path / "kernel", tmp_path / "image"
    kernel.write_bytes(b"no kernel" * 1000)
    image.write_bytes(bytes(5 << 20))
    with grub(protocol, "console=com1 noreboot loglvl=all", "one two=three", kernel=kernel,
              image=image, cpus=2, memory="512M") as vm:
        vm.expect(r"boot: loaded by GRUB 2", timeout=120)
        start, end, words = vm.expect(r"module 0: \[(0x\w+), (0x\w+)\) ([^\r\n]*)\r", timeout=10).groups()
        assert int(end, 16) - int(start, 16) == 9000 and words == "one two=three"
        start, end, words = vm.expect(r"module 1: \[(0x\w+), (0x\w+)\) ?([^\r\n]*)\r", timeout=10).groups()
        assert int(end, 16) - int(start, 16) == 5 << 20 and words == ""
        vm.expect(r"command line: console=com1 noreboot loglvl=all\r", timeout=10)
        vm.expect(r"smp: 2 of 2 CPUs are up", timeout=60)
        vm.expect(r"(?i)kernel", timeout=60)
        assert not re.search(r"placeholder", vm.log)
