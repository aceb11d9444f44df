"""infe-VERSION-linux-x86_64.tar.gz: a folder to be laid anywhere. packaging/Dockerfile takes it."""
import pathlib
import shutil

from . import archive, bundle, manual


def make(project, binary, scratch):
    name = f"infe-{project.version}-linux-x86_64"
    folder = scratch / name
    shutil.copytree(bundle.carried(project, binary)[0], folder)
    shutil.copyfile(project.root / "config/infe.toml", folder / "infe.toml")
    shutil.copyfile(project.root / "packaging/infe.service", folder / "infe.service")
    shutil.copyfile(project.root / "CHANGELOG.md", folder / "CHANGELOG.md")
    (folder / "README").write_text(project.text("tarball.txt"))
    (folder / "share/man/man1").mkdir(parents=True)
    (folder / "share/man/man1/infe.1").write_text(manual.page(project, binary))
    out = scratch / f"{name}.tar.gz"
    archive.write_tar_gz(folder, pathlib.PurePath(name), project.epoch, out)
    return out
