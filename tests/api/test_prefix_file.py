"""--prefix-cache-disk: a restarted server has the prefixes of the one before, and never another text."""
import pathlib
import stat
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import Server  # noqa: E402

OPTION = ("--prefix-cache-disk", "256MiB")
PROMPT = " ".join(f"The {i}th house in the street has {i * 7 % 13} windows and {i * 5 % 11} doors." for i in range(45))


def ask(server, **more):
    answer = server.client().chat.completions.create(
        model="smollm2-135m", messages=[{"role": "user", "content": PROMPT}], seed=11, max_tokens=32, **more)
    usage = answer.usage
    assert usage.prompt_tokens > 800
    return answer.choices[0].message.content, usage.prompt_tokens_details.cached_tokens


def run(folder, *args, **more):
    """One server's life: start, one request, stop. Returns the text, its cached tokens, the log of it."""
    running = Server(folder, args=args)
    before = len(running.log_text())
    answer = ask(running, **more)
    assert running.stop() == 0, running.log_text()
    return *answer, running.log_text()[before:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("prefix")


def test_a_restarted_server_has_the_prefix_and_gives_the_same_text(folder):
    file = folder / "data/prefix/smollm2-135m.kv"
    text, cached, _ = run(folder)
    assert cached == 0 and not file.exists()  # off unless asked for
    first = run(folder, *OPTION)
    assert first[:2] == (text, 0)
    assert "smollm2-135m: prefix cache saved" in first[2]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and file.stat().st_size <= 256 << 20
    second = run(folder, *OPTION)
    assert second[0] == text and second[1] >= 800


def test_another_cache_key_finds_nothing(folder):
    running = Server(folder, args=OPTION)
    text, cached = ask(running, prompt_cache_key="somebody")
    assert cached == 0 and ask(running)[0] == text
    assert running.stop() == 0


def test_a_damaged_file_costs_time_and_nothing_else(folder):
    file = folder / "data/prefix/smollm2-135m.kv"
    text, _, _ = run(folder, *OPTION)
    with open(file, "r+b") as damaged:
        for offset in range(200_000, file.stat().st_size, 3_000_000):
            damaged.seek(offset)
            damaged.write(b"damage")
    assert run(folder, *OPTION)[0] == text
    with open(file, "r+b") as cut:
        cut.truncate(file.stat().st_size // 2)
    running = Server(folder, args=OPTION)
    assert ask(running) == (text, 0)
    assert f"{file} is not used" in running.log_text()
    assert running.stop() == 0
    assert run(folder, *OPTION)[:1] == (text,)


def test_the_option_needs_the_prefix_cache(folder):
    with pytest.raises(AssertionError, match="prefix_cache_disk"):
        Server(folder, args=(*OPTION, "--no-prefix-cache"), keys=False)
