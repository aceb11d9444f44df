"""A terminal as a person sees it: tmux draws what a program writes, and tells what stands on the screen."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from conftest import SLOW


class Screen:
    """One program in a terminal of its own. Keys go in by tmux's names ("C-c", "Up", "Tab")."""

    def __init__(self, command, columns=80, rows=24, env=None):
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        # The name of a socket is short, that of a test's folder may not be.
        self.folder = tempfile.mkdtemp(prefix="infe-tmux-")
        self.socket = f"{self.folder}/socket"
        settings = [f"{name}={value}" for name, value in (env or {}).items()]
        # A window that outlives its program shows what that said last.
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "env", *settings, *map(str, command), ";", "set-option", "-g", "remain-on-exit", "on")

    def tmux(self, *arguments):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *arguments], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def text(self):
        return self.tmux("capture-pane", "-p").rstrip("\n")


    def colours(self):
        return self.tmux("capture-pane", "-p", "-e")

    def until(self, pattern, seconds=20):
        """The screen once `pattern` is on it."""
        deadline = time.monotonic() + seconds * SLOW
        while not re.search(pattern, seen := self.text(), re.M):
            assert time.monotonic() < deadline, f"no {pattern!r} on the screen:\n{seen}"
            time.sleep(0.05)
        return seen

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def type(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def say(self, line):
        self.type(line)
        self.keys("Enter")

    def paste(self, text):
        """As a terminal pastes: between the marks that the program has asked for."""
        with open(f"{self.folder}/pasted", "w") as file:
            file.write(text)
        self.tmux("load-buffer", file.name)  # longer than a command line may be
        self.tmux("paste-buffer", "-p", "-d")

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def cursor(self):
        """(column, row), from 0."""
        return tuple(map(int, self.tmux("display-message", "-p", "#{cursor_x} #{cursor_y}").split()))

    def ended(self, seconds=20):
        """Waits for the program's end; its exit code."""
        deadline = time.monotonic() + seconds * SLOW
        while True:
            dead, status, server = self.tmux("display-message", "-p", "#{pane_dead} #{pane_dead_status} #{pid}").rstrip("\n").split(" ")
            if dead == "1" and status:
                return int(status)
            if dead == "1":
                os.kill(int(server), signal.SIGCHLD)  # tmux 3.3 can miss one: then its child waits for ever
            assert time.monotonic() < deadline, f"still there:\n{self.text()}"
            time.sleep(0.05)

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
