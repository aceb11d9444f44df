"""A PostgreSQL for proofs with several servers: Debian's, in a folder of its own on a unix socket,
started and stopped by process id (as the user postgres where we are root)."""

import contextlib
import glob
import os
import pwd
import subprocess
import time

import harness


class Postgres:
    """A server of its own with an empty database; url is for --store-url."""

    def __init__(self, folder):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self.bin, self.folder = programs[-1], folder
        folder.mkdir(mode=0o777)
        # It refuses to run as root.
        self.user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
        if self.user is not None:
            os.chown(folder, self.user, -1)
            os.chmod(folder.parent, 0o755)
        self.run("initdb", "-D", f"{folder}/db", "-U", "infe", "-A", "trust", "--no-sync").wait()
        self.process = self.run("postgres", "-D", f"{folder}/db", "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off")
        self.url = f"postgresql://infe@/postgres?host={folder}"
        deadline = time.monotonic() + 30 * harness.SLOW
        while subprocess.run([f"{self.bin}/pg_isready", "-h", str(folder), "-q"]).returncode != 0:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)

    def run(self, program, *arguments):
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen([f"{self.bin}/{program}", *arguments], stdout=log, stderr=log, user=self.user, cwd=self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
