"""What machines are started from: packaged kernels and Xen, QEMUs, the domain-0 image, Lodge.

Everything is made on first use and kept under build/. Unavailable says why something cannot be
had here; pytest takes it for a skip with that reason.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
CACHE = BUILD / "cache"

# The hypervisor that tests/boot looks at; HV=xen runs the same tests on the oracle.
UNDER_TEST = os.environ.get("HV") or "lodge"


class Unavailable(unittest.SkipTest):
    """An artifact cannot be had on this machine; the message says why."""


def _run(*command, **options):
    result = subprocess.run([str(word) for word in command], cwd=ROOT, text=True, check=False,
                            capture_output=True, env={**os.environ, "BUILD": str(BUILD)}, **options)
    if result.returncode:
        lines = (result.stderr + result.stdout).strip().splitlines() or ["no message"]
        raise Unavailable(f"{command[0]}: {lines[-1]}")
    return result.stdout.strip()


@functools.cache
def kernel_directory(series):
    """What fetch-kernel unpacked: vmlinuz and modules are in it."""
    return pathlib.Path(_run("tests/tools/fetch-kernel", series))


@functools.cache
def bench_program():
    """lodge-bench, static, the same for every hypervisor."""
    source = ROOT / "bench/linux/lodge-bench.c"
    program = BUILD / "bench/lodge-bench"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        _run("gcc", "-std=gnu11", "-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror",
             "-o", program, source)
    return program


@functools.cache
def initramfs(series):
    """Domain 0's root file system with this kernel's modules and the benchmark in it."""
    image = BUILD / f"image/initramfs-{series}.cpio"
    _run("tests/image/mkinitramfs", kernel_directory(series), image, bench_program())
    return image


@functools.cache
def debian_directory():
    """What mkdebian made: disk.img, vmlinuz and initrd.img are in it."""
    return pathlib.Path(_run("tests/image/mkdebian"))


@functools.cache
def hypervisor(name):
    """The ELF that multiboot loaders take: Debian's Xen, or Lodge as make built it."""
    if name == "xen":
        return pathlib.Path(_run("tests/tools/fetch-xen"))
    if name == "lodge":
        image = BUILD / "lodge"
        if not image.exists():
            raise Unavailable(f"{image} is not built; run make")
        return image
    raise ValueError(f"no hypervisor '{name}'; expected xen or lodge")


@functools.cache
def qemu(version="installed"):
    """The path of a QEMU: the installed one, "10.0" from backports, or any path given."""
    if version == "10.0":
        return _run("tests/tools/fetch-qemu10")
    path = shutil.which("qemu-system-x86_64" if version == "installed" else version)
    if not path:
        raise Unavailable(f"no QEMU '{version}' here; expected qemu-system-x86_64 installed")
    return path


@functools.cache
def tcg(path):
    """QEMU's -accel for more than one CPU without KVM."""
    return f"tcg,thread={_run('tests/tools/tcg-threads', path)}"


def loaded_bytes(image):
    """How much of an ELF file a boot loader copies to memory."""
    total = 0
    for line in _run("readelf", "-lW", image).splitlines():
        words = line.split()
        if words and words[0] == "LOAD":
            total += int(words[4], 16)
    return total


def memory_mib(size):
    """QEMU's -m argument in MiB: "512M", "4G"."""
    return int(size[:-1]) * {"M": 1, "G": 1024}[size[-1]]


def require_memory(size):
    """A machine of this size can be started here, or Unavailable says what there is."""
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":") for line in file)
    total_mib = int(fields["MemTotal"].split()[0]) // 1024
    if total_mib < memory_mib(size):
        raise Unavailable(f"a machine of {size} does not fit into {total_mib} MiB")
