"""Bad kernels, options and machines: one clear line on the console, then the stop that was asked for.

A stop is a reset, which ends QEMU here, unless the option noreboot asks for a halt.
"""

import pytest

from lib import artifacts
from lib.machine import Machine

# Where a bzImage's header says its compressed payload is; the kernel's x86 boot protocol.
SETUP_SECTS = 0x1F1
PAYLOAD_OFFSET = 0x248
PAYLOAD_LENGTH = 0x24C


def field(image, offset):
    return int.from_bytes(image[offset:offset + 4], "little")


def payload_start(image):
    return (image[SETUP_SECTS] + 1) * 512 + field(image, PAYLOAD_OFFSET)


def packaged_kernel():
    return bytearray((artifacts.kernel_directory("6.1") / "vmlinuz").read_bytes())


def truncated():
    image = packaged_kernel()
    return image[:len(image) // 2]


def corrupt():
    image = packaged_kernel()
    middle = payload_start(image) + field(image, PAYLOAD_LENGTH) // 2
    image[middle:middle + 64] = bytes(byte ^ 0xFF for byte in image[middle:middle + 64])
    return image


def unknown_compression():
    image = packaged_kernel()
    start = payload_start(image)
    image[start:start + 8] = b"NOTKNOWN"
    return image


def not_xen():
    """An ELF program without a Xen note."""
    return artifacts.bench_program().read_bytes()


def not_a_kernel():
    return b"this is no kernel\n" * 1000


def expect_refusal(message, **options):
    with Machine(artifacts.UNDER_TEST, **options) as machine:
        machine.expect(f"(?i){message}", timeout=60)
        machine.expect_exit(timeout=60)
        assert "lodge: init" not in machine.log


@pytest.mark.parametrize("make, message", [
    (truncated, "kernel.*(truncat|short|beyond|past|end)"),
    (corrupt, "kernel.*(corrupt|damaged|decompress|xz|data)"),
    (unknown_compression, "kernel.*unknown.*gzip"),
    (not_xen, "kernel.*(xen.*note|not.*xen|note)"),
    (not_a_kernel, "kernel.*(neither|not|format|expected)"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_bad_kernel_is_refused(make, message, tmp_path):
    kernel = tmp_path / "kernel"
    kernel.write_bytes(make())
    expect_refusal(message, modules=[(kernel, "console=hvc0"), (artifacts.initramfs("6.1"), "")])


def test_no_kernel_module_is_refused():
    expect_refusal("no.*(kernel|module)", modules=[])


def test_dom0_mem_larger_than_memory_is_refused():
    expect_refusal("dom0_mem", options="dom0_mem=64G")


def test_dom0_mem_that_is_no_size_is_refused():
    expect_refusal("dom0_mem.*(lots|expected|size)", options="dom0_mem=lots")


def test_too_little_memory_is_refused():
    expect_refusal("memory", memory="48M")


def test_machine_without_acpi_is_refused():
    expect_refusal("acpi|rsdp", machine="pc,acpi=off")


def test_cpu_without_long_mode_is_refused():
    expect_refusal("long mode|64-bit", cpu="qemu64,-lm")


def test_cpu_without_nx_is_refused():
    expect_refusal(r"\bNX\b|no-execute", cpu="qemu64,-nx")


def test_noreboot_halts_instead():
    with Machine(artifacts.UNDER_TEST, modules=[], options="noreboot") as machine:
        machine.expect("(?i)no.*(kernel|module)", timeout=60)
        machine.expect_silence(seconds=5)
