"""infe chat as somebody at a terminal meets it."""
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest
from conftest import BINARY, MODEL_DIR, SLOW


class Terminal:
    """A chat on a pseudo-terminal; what it printed since the last look is in `seen`."""

    def __init__(self, data_dir, *args):
        self.fd, child = pty.openpty()
        self.process = subprocess.Popen(
            [BINARY, "chat", "smollm2-135m", *args], stdin=child, stdout=child, stderr=child, start_new_session=True,
            env={**os.environ, "INFE_DATA_DIR": str(data_dir), "TERM": "xterm-256color"},
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)))  # makes it the controlling terminal
        os.close(child)
        self.seen = ""

    def read_until(self, pattern, seconds=60):
        deadline = time.time() + seconds * SLOW
        while not (match := re.search(pattern, self.seen)):
            left = deadline - time.time()
            assert left > 0, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen += os.read(self.fd, 4096).decode(errors="replace").replace("\r\n", "\n")
                except OSError as error:  # the other side is gone
                    raise AssertionError(f"ended before {pattern!r}: {self.seen!r}") from error
        before, self.seen = self.seen[:match.end()], self.seen[match.end():]
        return before

    def say(self, line):
        os.write(self.fd, (line + "\n").encode())
        self.read_until(re.escape(line) + "\n")  # the echo

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture()
def terminal(tmp_path):
    source = os.path.join(MODEL_DIR, "smollm2-135m.gguf")
    if not os.path.exists(source):
        pytest.skip("smollm2-135m is not pulled: set INFE_MODEL_DIR")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/smollm2-135m.gguf").symlink_to(source)
    opened = Terminal(tmp_path)
    opened.read_until(r"\n> $")
    yield opened
    opened.close()


def test_commands_say_what_they_did(terminal):
    terminal.say("/help")
    assert "/reset" in terminal.read_until(r"\n> $")
    terminal.say("/set temperature 0")
    assert "temperature is 0" in terminal.read_until(r"\n> $")
    for line in ("/set temperature 3", "/set top_k 1.5", "/set nonsense 1", "/set seed"):
        terminal.say(line)
        assert "cannot set" in terminal.read_until(r"\n> $"), line
    terminal.say("/nonsense")
    assert "unknown command" in terminal.read_until(r"\n> $")
    terminal.say("/system You answer in one word.")
    terminal.read_until(r"\n> $")
    terminal.say("/reset")
    assert "forgotten" in terminal.read_until(r"\n> $")
    terminal.say("/bye")
    assert terminal.process.wait(20 * SLOW) == 0


def test_ctrl_c_stops_the_answer_and_keeps_the_conversation(terminal):
    terminal.say("/set temperature 0")
    terminal.read_until(r"\n> $")
    terminal.say("My name is Zebulon. Write a very long story about the sea.")
    terminal.read_until(r"\w+ \w+ \w+ \w+")
    os.write(terminal.fd, b"\x03")
    terminal.read_until(r"\n> $")
    assert terminal.process.poll() is None
    terminal.say("/set max_tokens 24")
    terminal.read_until(r"\n> $")
    terminal.say("What is my name?")
    answer = terminal.read_until(r"tokens/s\]\n> $")
    assert len(answer) > 20
    # At the prompt Ctrl-C drops the line, and says how to leave, also when it comes just before the
    # prompt begins to wait; Ctrl-D leaves.
    for _ in range(50):
        os.write(terminal.fd, b"half a line\x03")
        terminal.read_until(r"Ctrl-D or /bye ends\.\n> $")
    os.write(terminal.fd, b"\x04")
    assert terminal.process.wait(20 * SLOW) == 0


def test_sigterm_ends_it(terminal):
    terminal.say("Write a very long story about the sea.")
    terminal.read_until(r"\w+ \w+")
    terminal.process.send_signal(signal.SIGTERM)
    terminal.process.wait(20 * SLOW)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGQUIT", "SIGHUP", "SIGTERM"])
@pytest.mark.parametrize("answering", [False, True])
def test_the_terminal_has_its_settings_back_whatever_ends_it(terminal, name, answering):
    assert not termios.tcgetattr(terminal.fd)[3] & termios.ECHO
    if answering:
        terminal.say("Write a very long story about the sea.")
        terminal.read_until(r"\w+ \w+")
    terminal.process.send_signal(getattr(signal, name))
    ended = terminal.process.wait(30 * SLOW)
    assert ended == (0 if name == "SIGTERM" else -getattr(signal, name))
    assert termios.tcgetattr(terminal.fd)[3] & termios.ECHO and termios.tcgetattr(terminal.fd)[3] & termios.ICANON
    terminal.read_until(re.escape("\x1b[?2004l"))  # no marks around what is pasted next
