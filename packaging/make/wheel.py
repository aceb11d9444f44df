"""infe-VERSION-py3-none-manylinux_2_XX_x86_64.whl: the binary and its libraries inside a Python package.

The tag says the glibc that the files really need. The binary is started by Python's entry point, which
becomes it: a script of the wheel could not know where the libraries lie.
"""
import base64
import hashlib

from . import archive, bundle

WHEEL = """Wheel-Version: 1.0
Generator: infe tools/package
Root-Is-Purelib: false
Tag: {tag}
"""
ENTRY_POINTS = """[console_scripts]
infe = infe.__main__:main
"""


def record_row(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def make(project, binary, scratch):
    tree, programs = bundle.carried(project, binary)
    glibc = bundle.needed_glibc(programs)
    tag = f"py3-none-manylinux_{glibc[0]}_{glibc[1]}_x86_64"
    info = f"infe-{project.version}.dist-info"
    files = []
    for source in sorted((project.root / "packaging/python/infe").glob("*.py")):
        files.append((f"infe/{source.name}", source.read_bytes(), 0o644))
    files.append(("infe/infe.toml", (project.root / "config/infe.toml").read_bytes(), 0o644))
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        name = path.relative_to(tree)
        inside = f"{info}/licenses/{name}" if name.parts[0] == "third-party" else f"infe/{name}"
        files.append((inside, path.read_bytes(), archive.mode(path)))
    licences = sorted(name.removeprefix(f"{info}/licenses/") for name, *_ in files if name.startswith(info))
    metadata = project.text("python/METADATA").partition("\n\n")
    named = "".join(f"License-File: {name}\n" for name in licences)
    texts = {"METADATA": f"{metadata[0]}\n{named}\n{metadata[2]}", "WHEEL": WHEEL.format(tag=tag),
             "entry_points.txt": ENTRY_POINTS}
    files += [(f"{info}/{name}", text.encode(), 0o644) for name, text in sorted(texts.items())]
    record = "".join(record_row(name, data) for name, data, _ in files) + f"{info}/RECORD,,\n"
    files.append((f"{info}/RECORD", record.encode(), 0o644))
    scratch.mkdir()
    out = scratch / f"infe-{project.version}-{tag}.whl"
    archive.write_zip(files, project.epoch, out)
    return out
