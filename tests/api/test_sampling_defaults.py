"""What a request leaves out of its sampling is what the model's authors advise: the registry's entry, then
the file, then the API's own defaults."""
import json
import pathlib
import signal
import time

import gguf
import pytest
from conftest import MODEL_DIR, SLOW, Server
from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata

QUESTION = [{"role": "user", "content": "Tell me something."}]
NAME = "smollm2-135m"
FLOAT, INT = gguf.GGUFValueType.FLOAT32, gguf.GGUFValueType.INT32


def advised_file(path, **values):
    """smollm2-135m with general.sampling.* keys of its own."""
    source = pathlib.Path(MODEL_DIR) / f"{NAME}.gguf"
    if not source.exists():
        pytest.skip(f"{NAME} is not pulled: set INFE_MODEL_DIR")
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, "llama", endianess=reader.endianess)
    alignment = reader.get_field("general.alignment")
    if alignment is not None:
        writer.data_alignment = alignment.contents()
    copy_with_new_metadata(reader, writer, {
        f"general.sampling.{key}": MetadataDetails(kind, value) for key, (kind, value) in values.items()}, [])
    return path


def serve(folder, entry="", args=(), models=(NAME,)):
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "models.toml").write_text(entry)
    return Server(folder, models=models, args=args)


def texts(server, model=NAME, **fields):
    """What three seeds say; one text if sampling is greedy."""
    return {server.client().chat.completions.create(model=model, messages=QUESTION, seed=seed, max_tokens=12,
                                                    **fields).choices[0].message.content for seed in range(3)}


def fingerprint(server):
    return server.client().chat.completions.create(model=NAME, messages=QUESTION, max_tokens=1).system_fingerprint


def completions(server, model=NAME, **fields):
    return {server.client().completions.create(model=model, prompt="Once", seed=seed, max_tokens=12,
                                               **fields).choices[0].text for seed in range(3)}


def shown(server, name):
    return json.loads(server.command("show", name, "--json"))["sampling_defaults"]


GREEDY = f'[[model]]\nname = "{NAME}"\ndefaults = {{ temperature = 0, top_k = 5 }}\n'


def test_silent_requests_take_the_registrys_defaults(tmp_path):
    with serve(tmp_path / "a", GREEDY) as server:
        assert server.client().models.retrieve(NAME).sampling_defaults == {"temperature": 0, "top_k": 5}
        assert shown(server, NAME) == {"temperature": 0, "top_k": 5}
        assert len(texts(server)) == 1 and len(completions(server)) == 1
        assert texts(server) == texts(server, temperature=0)
        # What is said is what counts, null is silence, and each field is for itself.
        assert len(texts(server, temperature=1)) > 1 and len(completions(server, temperature=1)) > 1
        assert texts(server, extra_body={"temperature": None}) == texts(server)
        assert texts(server, temperature=1) == texts(server, temperature=1, extra_body={"top_k": 5})
        assert texts(server, temperature=1) != texts(server, temperature=1, extra_body={"top_k": 0})
        advised = fingerprint(server)
    with serve(tmp_path / "b") as server:
        assert not hasattr(server.client().models.retrieve(NAME), "sampling_defaults")
        assert texts(server) == texts(server, temperature=1, top_p=1)
        plain = fingerprint(server)
    # The same request has another answer.
    assert advised != plain


def test_api_defaults_are_those_of_the_reference_page(tmp_path):
    with serve(tmp_path, GREEDY, args=("--sampling-defaults", "api")) as server:
        assert not hasattr(server.client().models.retrieve(NAME), "sampling_defaults")
        assert len(texts(server)) > 1
        assert texts(server) == texts(server, temperature=1, top_p=1, extra_body={"top_k": 0})


def test_a_reload_takes_changed_defaults(tmp_path):
    with serve(tmp_path) as server:
        assert len(texts(server)) > 1
        (tmp_path / "data/models.toml").write_text(GREEDY)
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30 * SLOW
        while not hasattr(server.client().models.retrieve(NAME), "sampling_defaults"):
            assert time.monotonic() < deadline, server.log_text()
            time.sleep(0.1)
        assert len(texts(server)) == 1


def test_a_files_own_defaults_come_after_the_registrys(tmp_path):
    file = advised_file(tmp_path / "advised.gguf", temp=(FLOAT, 0.0), top_p=(FLOAT, 0.9), top_k=(INT, 40),
                        min_p=(FLOAT, 7.0), penalty_last_n=(INT, 64))
    # 0.9 is 0.899999976 as a float; what is out of range is not used.
    advised = {"temperature": 0, "top_p": 0.9, "top_k": 40}
    with serve(tmp_path / "a", args=("--model", str(file)), models=()) as server:
        assert server.client().models.retrieve("advised").sampling_defaults == advised
        assert len(texts(server, "advised")) == 1 and len(texts(server, "advised", temperature=1)) > 1
    entry = f'[[model]]\nname = "mine"\nsources = [{{ file = "{file}" }}]\ndefaults = {{ temperature = 1 }}\n'
    with Server(tmp_path / "b", models=(), start=False) as server:
        (server.data_dir / "models.toml").write_text(entry)
        server.command("pull", "mine")
        server.start()
        assert server.client().models.retrieve("mine").sampling_defaults == {**advised, "temperature": 1}
        assert shown(server, "mine") == {**advised, "temperature": 1}
        assert len(texts(server, "mine")) > 1
