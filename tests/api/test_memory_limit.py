"""--memory-limit: what does not fit is refused before it is loaded, with what would fit; what is served stays within."""
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import Server  # noqa: E402

NAME = "smollm2-135m"
WORDS = "All happy families are alike; each unhappy family is unhappy in its own way. "


def start(folder, *args, models=(NAME,)):
    """A server, or the text with which it ended."""
    try:
        return Server(folder, args=args, models=models), ""
    except AssertionError as error:
        return None, str(error)


def peak_mib(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) / 1024


@pytest.fixture(scope="module")
def refusal(tmp_path_factory):
    server, text = start(tmp_path_factory.mktemp("refused"), "--memory-limit", "128MiB")
    assert server is None
    return text


def test_what_does_not_fit_is_refused_with_what_it_needs(refusal):
    assert re.search(r"it needs \d+ MiB for weights, \d+ MiB for the buffers of a step and \d+ MiB for a sequence of "
                     r"256 tokens", refusal), refusal
    assert "memory_limit is 128 MiB. What would fit: " in refusal


def test_the_limit_that_is_said_to_fit_fits_and_holds(refusal, tmp_path):
    fitting = int(re.search(r"a memory_limit of (\d+) MiB", refusal)[1])
    tight, text = start(tmp_path / "tight", "--memory-limit", f"{fitting - 1}MiB")
    assert tight is None, "a limit below the smallest that was named is enough"
    limit = fitting + 40
    server, text = start(tmp_path / "fits", "--memory-limit", f"{limit}MiB")
    assert server is not None, text
    try:
        assert "memory_limit" in server.log_text(), "nobody is told that the context is shorter"
        client = server.client()
        context = client.models.retrieve(NAME).model_dump()["context_length"]
        assert 256 <= context < 8192
        for turn in range(12):  # different texts: the prefix cache fills what it was given
            prompt = f"{turn} " + WORDS * 200
            prompt = prompt[: context * 2]
            answer = client.completions.create(model=NAME, prompt=prompt, max_tokens=16, temperature=0)
            assert answer.choices[0].text
        assert peak_mib(server.process) <= limit
    finally:
        assert server.stop() == 0, server.log_text()


def test_a_context_that_was_asked_for_is_not_made_shorter(refusal, tmp_path):
    fitting = int(re.search(r"a memory_limit of (\d+) MiB", refusal)[1])
    server, text = start(tmp_path / "long", "--memory-limit", f"{fitting + 40}MiB", "--context", "8192")
    assert server is None
    context = int(re.search(r"What would fit: a context of (\d+)", text)[1])
    server, text = start(tmp_path / "shorter", "--memory-limit", f"{fitting + 40}MiB", "--context", str(context))
    assert server is not None, text
    assert server.stop() == 0, server.log_text()


def test_models_share_the_limit(refusal, tmp_path):
    """The first takes what it may have. One that was named and does not fit ends the start, others are left out."""
    args = ("--memory-limit", "700MiB", "--kv-memory", "512MiB")
    both = (NAME, "infe-pulse")
    server, text = start(tmp_path / "named", *args, "--model", NAME, "--model", "infe-pulse", models=both)
    assert server is None
    assert re.search(r"infe-pulse: it needs .* and \d+ MiB for other models", text), text
    assert "fewer models" in text
    server, text = start(tmp_path / "all", *args, models=both)
    assert server is not None, text
    served = [model.id for model in server.client().models.list()]
    said = server.log_text()
    assert server.stop() == 0, said
    (left_out,) = {*both} - {*served}
    assert f"{left_out} is not served: " in said
