"""A kernel's modules by name, with what they depend on, as a second archive for domain 0's image.

Linux unpacks archives that follow each other, a later file over an earlier one.
"""

import lzma
import pathlib
import re
import subprocess
import tempfile


def _read(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _depends(data):
    """Names of the modules that a module says it needs (modinfo's `depends`)."""
    match = re.search(rb"\0depends=([^\0]*)\0", data)
    return match[1].decode().split(",") if match and match[1] else []


def closure(kernel, names):
    """(name, contents) of each module and of all that it needs, in the order of loading."""
    files = {path.name.split(".ko")[0].replace("-", "_"): path
             for path in (kernel / "modules/").rglob("*.ko*")}
    found = {}

    def visit(name):
        name = name.replace("-", "_")
        if name in files and name not in found:  # otherwise it is built in
            data = _read(files[name])
            for other in _depends(data):
                visit(other)
            found[name] = data

    for name in names:
        visit(name)
    return list(found.items())


def image_with(base, kernel, names, checks, output):
    """base, and behind it modules in /lib/modules, their order in /etc/devices, and /etc/checks."""
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        (tree / "lib/modules").mkdir(parents=True)
        (tree / "etc").mkdir()
        modules = closure(kernel, names)
        for name, data in modules:
            (tree / f"lib/modules/{name}.ko").write_bytes(data)
        (tree / "etc/devices").write_text("".join(f"{name}\n" for name, _ in modules))
        (tree / "etc/checks").write_bytes(checks.read_bytes())
        archive = subprocess.run("find . | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc",
                                 shell=True, cwd=tree, check=True, capture_output=True).stdout
    first = base.read_bytes()
    output.write_bytes(first + b"\0" * (-len(first) % 512) + archive)
    return output
