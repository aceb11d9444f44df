"""Archives whose bytes depend on the files' names, bytes and executable bits alone."""
import gzip
import tarfile
import time
import zipfile


def mode(path):
    return 0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644


def write_tar_gz(folder, name, epoch, out):
    """`folder`'s contents below `name`/, owned by root."""
    with open(out, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed, \
            tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in (folder, *sorted(folder.rglob("*"))):
            entry = tarfile.TarInfo(str(name / path.relative_to(folder)))
            entry.mtime, entry.mode = epoch, mode(path)
            entry.uname = entry.gname = "root"
            if path.is_dir():
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = path.stat().st_size
                with open(path, "rb") as data:
                    tar.addfile(entry, data)


def write_zip(files, epoch, out):
    """files: (name, bytes, mode) in the order in which they shall lie."""
    # A zip's times begin in 1980 and have no zone.
    date = max(time.gmtime(epoch)[:6], (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data, bits in files:
            entry = zipfile.ZipInfo(name, date)
            entry.create_system, entry.external_attr = 3, (0o100000 | bits) << 16  # Unix, a plain file
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
