"""infe pull hf:ORG/REPO, of URLs and of files, against a stub of the hub; what was pulled is served, listed,
described, pinned and removed like a model of the registry."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import gguf
import numpy
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import BINARY, MODEL_DIR, SLOW  # noqa: E402
from gguf_split import split  # noqa: E402
from stub_hub import StubHub  # noqa: E402
from test_model_files import Serving  # noqa: E402

REPOSITORY = "some-org/Toy-1B-GGUF"


def write_gguf(path, architecture="llama", parts=0, seed=7):
    """By the Python package gguf: no code of infe's. `parts`: tensors in each of several files."""
    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=parts)
    writer.add_string("general.name", "Toy")
    writer.add_token_list([f"token{i}" for i in range(300)])
    numbers = numpy.random.default_rng(seed)
    for i in range(8):
        writer.add_tensor(f"blk.{i}.weight", numbers.random((33 + i, 1000), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """Bytes of small GGUF files by name."""
    folder = tmp_path_factory.mktemp("toys")
    write_gguf(folder / "whole.gguf")
    write_gguf(folder / "other.gguf", seed=8)
    write_gguf(folder / "strange.gguf", architecture="mystery")
    write_gguf(folder / "cut.gguf", parts=3)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture()
def hub(toys, tmp_path):
    running = StubHub()
    running.repositories[REPOSITORY] = {
        "Toy-1B-Q4_K_M.gguf": toys["whole.gguf"], "Toy-1B-Q8_0.gguf": toys["other.gguf"], "mmproj-F16.gguf": toys["strange.gguf"]}
    running.info = {"gguf": {"architecture": "llama", "total": 1}}
    running.data = tmp_path / "data"
    running.env = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    running.env.update(INFE_DATA_DIR=str(running.data), HF_ENDPOINT=running.url, HOME=str(tmp_path))
    yield running
    running.stop()


def infe(hub, *args, **more):
    return subprocess.run([BINARY, *map(str, args)], env=hub.env, capture_output=True, text=True, timeout=120 * SLOW, **more)


def pulled(hub, *args):
    done = infe(hub, "pull", "--json", *args)
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    return model


def refused(hub, *args):
    done = infe(hub, "pull", *args)
    assert done.returncode not in (0, 130), done.stdout
    return done.stderr


def sha(body):
    return hashlib.sha256(body).hexdigest()


def in_models(hub):
    folder = hub.data / "models"
    return sorted(p.name for p in folder.iterdir() if p.suffix == ".gguf") if folder.exists() else []


def whole_gets(hub):
    """Downloads, not looks at a beginning."""
    return [headers.get("Range") for method, _, headers in hub.store.seen
            if method == "GET" and not re.fullmatch(r"bytes=0-\d+", headers.get("Range", ""))]


def test_the_stub_is_a_hub_to_the_hubs_own_library(hub, toys, tmp_path, monkeypatch):
    """What the tests below rely on, by somebody else's reading of the API."""
    library = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "HF_HUB_DISABLE_XET", True)
    info = library.HfApi(endpoint=hub.url, token=False).model_info(REPOSITORY, revision="main", files_metadata=True)
    assert info.sha == hub.commit and info.gguf["architecture"] == "llama"
    assert {file.rfilename: file.lfs.sha256 for file in info.siblings if file.lfs} == {
        name: sha(body) for name, body in hub.repositories[REPOSITORY].items()}
    assert hub.paths() == [f"/api/models/{REPOSITORY}/revision/main?blobs=true"]
    path = library.hf_hub_download(REPOSITORY, "Toy-1B-Q4_K_M.gguf", endpoint=hub.url, cache_dir=tmp_path / "cache", token="hf_x")
    assert pathlib.Path(path).read_bytes() == toys["whole.gguf"]
    assert all("authorization" not in {name.lower() for name in headers} for _, _, headers in hub.store.seen)


def test_a_model_of_the_hub_is_pulled_with_the_hubs_digest(hub, toys):
    model = pulled(hub, f"hf:{REPOSITORY}")
    assert model["name"] == "Toy-1B-Q4_K_M" and model["sha256"] == sha(toys["whole.gguf"])
    assert pathlib.Path(model["path"]).read_bytes() == toys["whole.gguf"] and in_models(hub) == ["Toy-1B-Q4_K_M.gguf"]
    # By the commit that the revision was, so that the answer and the file are of one state.
    assert hub.paths()[0] == f"/api/models/{REPOSITORY}/revision/main?blobs=true"
    assert hub.paths()[-1] == f"/{REPOSITORY}/resolve/{hub.commit}/Toy-1B-Q4_K_M.gguf"
    assert whole_gets(hub) == [None]
    noted = (hub.data / "pulled.toml").read_text()
    assert sha(toys["whole.gguf"]) in noted and hub.commit in noted and "mit" in noted
    assert oct((hub.data / "pulled.toml").stat().st_mode & 0o777) == "0o600"


@pytest.mark.parametrize("way", ["hf.co/{}:q8_0", "https://huggingface.co/{}/blob/main/Toy-1B-Q8_0.gguf?download=true",
                                 "hf:{}@v1:Q8_0", "hf:{}/Toy-1B-Q8_0.gguf"])
def test_every_way_to_name_a_file_finds_it(hub, toys, way):
    assert pulled(hub, way.format(REPOSITORY))["sha256"] == sha(toys["other.gguf"])


def test_what_was_pulled_stays_pinned_when_the_hub_moves_on(hub, toys):
    pulled(hub, f"hf:{REPOSITORY}")
    asked = len(hub.seen)
    assert pulled(hub, f"hf:{REPOSITORY}")["already_there"] and len(hub.seen) == asked
    hub.repositories[REPOSITORY]["Toy-1B-Q4_K_M.gguf"] = toys["other.gguf"]
    # A damaged file is mended with the bytes that were pinned; the hub has others by now.
    path = hub.data / "models/Toy-1B-Q4_K_M.gguf"
    path.write_bytes(toys["whole.gguf"][:-1] + b"x")
    message = refused(hub, "Toy-1B-Q4_K_M")
    assert sha(toys["whole.gguf"]) in message or "the registry states" in message
    # --force asks anew, and pins what there is.
    assert pulled(hub, "--force", f"hf:{REPOSITORY}")["sha256"] == sha(toys["other.gguf"])
    (listed,) = json.loads(infe(hub, "ls", "--json").stdout)["models"]
    assert listed["sha256"] == listed["registry_sha256"] == sha(toys["other.gguf"])


def test_the_token_goes_to_the_hub_and_no_further(hub):
    hub.token = "hf_secret"
    message = refused(hub, f"hf:{REPOSITORY}")
    assert "HF_TOKEN" in message and f"{hub.url}/{REPOSITORY}" in message and "401" in message
    hub.env["HF_TOKEN"] = "hf_wrong"
    hub.refusal = 403
    message = refused(hub, f"hf:{REPOSITORY}")
    assert "agree to its terms" in message and "403" in message and "hf_wrong" not in message
    hub.env["HF_TOKEN"] = "hf_secret"
    pulled(hub, f"hf:{REPOSITORY}")
    assert hub.seen[-1][2]["Authorization"] == "Bearer hf_secret"
    assert hub.store.seen and all("Authorization" not in headers for _, _, headers in hub.store.seen)
    assert "hf_secret" not in (hub.data / "pulled.toml").read_text()


def test_the_token_of_hugging_faces_own_tools_is_found(hub, tmp_path):
    hub.token = "hf_file"
    (tmp_path / ".cache/huggingface").mkdir(parents=True)
    (tmp_path / ".cache/huggingface/token").write_text("hf_file\n")
    pulled(hub, f"hf:{REPOSITORY}")
    assert all("Authorization" not in headers for _, _, headers in hub.store.seen)


def test_a_file_that_asks_for_consent_says_where(hub):
    """The hub shows everybody what a gated repository has, and refuses its files."""
    class Gated(hub.RequestHandlerClass):
        def file(self, *args):
            self.answer(403, X_Error_Code="GatedRepo")
    hub.RequestHandlerClass = Gated
    message = refused(hub, f"hf:{REPOSITORY}")
    assert "403" in message and "HF_TOKEN" in message and f"{hub.url}/{REPOSITORY}" in message and not in_models(hub)


def test_what_is_missing_is_told_with_what_is_there(hub):
    message = refused(hub, f"hf:{REPOSITORY}:Q2_K")
    assert "Q4_K_M" in message and "Q8_0" in message and "mmproj" not in message
    assert "Q4_K_M" in refused(hub, f"hf:{REPOSITORY}/Toy.gguf")
    assert "v2" in refused(hub, f"hf:{REPOSITORY}@v2")
    assert "some-org/other" in refused(hub, "hf:some-org/other")
    hub.repositories["some-org/safetensors"] = {}
    assert "GGUF in its name" in refused(hub, "hf:some-org/safetensors")
    hub.hides = True
    assert "HF_TOKEN" in refused(hub, "hf:some-org/other")
    assert not hub.store.seen and not in_models(hub)


def test_an_architecture_that_does_not_run_is_refused_before_the_download(hub, toys):
    hub.repositories[REPOSITORY] = {"Toy-Q4_K_M.gguf": toys["strange.gguf"]}
    hub.info = {"gguf": {"architecture": "mystery"}}
    assert "does not run the architecture mystery" in refused(hub, f"hf:{REPOSITORY}")
    hub.info = {}  # a hub that does not say: the file itself does
    assert "does not run the architecture mystery" in refused(hub, f"hf:{REPOSITORY}")
    assert whole_gets(hub) == [] and not in_models(hub)


def test_the_hubs_word_of_another_file_of_the_repository_is_not_believed(hub, toys):
    hub.info = {"gguf": {"architecture": "clip"}}  # of the encoder beside the model
    assert pulled(hub, f"hf:{REPOSITORY}")["sha256"] == sha(toys["whole.gguf"])


def test_an_entry_whose_architecture_does_not_run_says_so_without_the_hub(hub):
    hub.data.mkdir()
    (hub.data / "models.toml").write_text(
        '[[model]]\nname = "strange"\narchitecture = "mystery"\nbytes = 1000\nreference = "hf:some-org/strange:Q4_K_M"\n')
    assert "does not run the architecture mystery" in refused(hub, "strange") and not hub.seen
    listed = infe(hub, "ls", "--all").stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("strange")]
    assert "mystery" in line and "does not run" in line


def test_what_is_no_model_is_refused_before_the_download(hub):
    hub.store.files["/page"] = b"<!DOCTYPE html>" + bytes(1 << 20)
    assert "no GGUF file" in refused(hub, f"{hub.store.url}/page", "--name", "page")
    assert whole_gets(hub) == []


def test_a_broken_download_goes_on_and_other_bytes_are_refused(hub, toys):
    hub.store.cut = 400_000
    refused(hub, f"hf:{REPOSITORY}")
    assert in_models(hub) == []
    assert pulled(hub, f"hf:{REPOSITORY}")["sha256"] == sha(toys["whole.gguf"])
    assert whole_gets(hub) == [None, "bytes=400000-"]
    hub.delivered["Toy-1B-Q8_0.gguf"] = toys["other.gguf"][:-1] + b"x"
    message = refused(hub, f"hf:{REPOSITORY}:Q8_0")
    assert sha(toys["other.gguf"]) in message and in_models(hub) == ["Toy-1B-Q4_K_M.gguf"]


def test_no_more_is_taken_than_the_hub_says(hub, toys):
    hub.delivered["Toy-1B-Q4_K_M.gguf"] = toys["whole.gguf"] + bytes(1000)
    assert "it is larger than the" in refused(hub, f"hf:{REPOSITORY}")
    hub.store.lengths = False
    assert "larger than" in refused(hub, f"hf:{REPOSITORY}")
    hub.delivered.clear()
    assert "--max-bytes" in refused(hub, f"hf:{REPOSITORY}", "--max-bytes", "1000") and in_models(hub) == []


def test_a_hub_that_lists_no_digests_is_asked_for_the_files(hub, toys):
    hub.digests = False
    hub.delivered["Toy-1B-Q8_0.gguf"] = toys["whole.gguf"]
    assert sha(toys["other.gguf"]) in refused(hub, f"hf:{REPOSITORY}:Q8_0")
    assert hub.paths("HEAD")
    assert pulled(hub, f"hf:{REPOSITORY}")["sha256"] == sha(toys["whole.gguf"])


def test_a_repository_that_was_renamed_is_followed(hub, toys):
    hub.moved["/api/models/old/name/revision/main"] = f"/api/models/{REPOSITORY}/revision/main?blobs=true"
    hub.moved[f"/old/name/resolve/{hub.commit}/Toy-1B-Q4_K_M.gguf"] = f"/{REPOSITORY}/resolve/{hub.commit}/Toy-1B-Q4_K_M.gguf"
    assert pulled(hub, "hf:old/name")["sha256"] == sha(toys["whole.gguf"])


def test_parts_are_joined_to_what_was_cut(hub, toys, tmp_path):
    """Cut by the Python package gguf, which wrote the whole one as well."""
    names = sorted(name for name in toys if name.startswith("cut-"))
    assert len(names) == 3
    hub.repositories[REPOSITORY] = {f"Q4_K_M/{name.replace('cut', 'Toy-Q4_K_M')}": toys[name] for name in names}
    hub.store.cut = 300_000
    refused(hub, f"hf:{REPOSITORY}:Q4_K_M")
    model = pulled(hub, f"hf:{REPOSITORY}:Q4_K_M")
    assert model["name"] == "Toy-Q4_K_M" and model["sha256"] == sha(toys["whole.gguf"])
    assert pathlib.Path(model["path"]).read_bytes() == toys["whole.gguf"]
    assert whole_gets(hub)[1] == "bytes=300000-" and in_models(hub) == ["Toy-Q4_K_M.gguf"]
    # By its address, and from a folder.
    for name in names:
        hub.store.files[f"/{name}"] = toys[name]
        (tmp_path / name).write_bytes(toys[name])
    assert pulled(hub, f"{hub.store.url}/{names[0]}", "--name", "by-url")["sha256"] == sha(toys["whole.gguf"])
    assert pulled(hub, tmp_path / names[0], "--name", "by-path")["sha256"] == sha(toys["whole.gguf"])
    # One of them with other bytes.
    second = sorted(hub.repositories[REPOSITORY])[1]
    hub.delivered[second] = toys[names[1]][:-1] + b"x"
    assert sha(toys[names[1]]) in refused(hub, "--force", f"hf:{REPOSITORY}:Q4_K_M")
    del hub.repositories[REPOSITORY][second]
    assert "2 of the 3 parts" in refused(hub, "--force", f"hf:{REPOSITORY}:Q4_K_M")


def test_an_address_is_resumed_only_where_its_file_is_still_the_same(hub, toys):
    hub.store.files["/toy.gguf"] = toys["whole.gguf"]
    hub.store.cut = 400_000
    refused(hub, f"{hub.store.url}/toy.gguf")
    assert pulled(hub, f"{hub.store.url}/toy.gguf")["sha256"] == sha(toys["whole.gguf"])
    assert whole_gets(hub) == [None, "bytes=400000-"]
    # Another file by now: what was kept is dropped.
    hub.store.cut = 400_000
    refused(hub, f"{hub.store.url}/toy.gguf", "--name", "second")
    hub.store.files["/toy.gguf"] = toys["other.gguf"]
    assert pulled(hub, f"{hub.store.url}/toy.gguf", "--name", "second")["sha256"] == sha(toys["other.gguf"])
    # A server that cannot tell: begun anew.
    hub.store.etags, hub.store.cut = False, 400_000
    refused(hub, f"{hub.store.url}/toy.gguf", "--name", "third")
    hub.store.files["/toy.gguf"] = toys["whole.gguf"]
    assert pulled(hub, f"{hub.store.url}/toy.gguf", "--name", "third")["sha256"] == sha(toys["whole.gguf"])
    assert whole_gets(hub)[-1] is None


def test_what_is_secret_in_an_address_is_not_shown(hub, toys):
    hub.store.files["/toy.gguf?signature=s3cret"] = toys["whole.gguf"]
    pulled(hub, f"{hub.store.url}/toy.gguf?signature=s3cret")
    shown = infe(hub, "ls").stdout
    assert "toy" in shown and "s3cret" not in shown


def test_names_are_not_taken_twice_and_entries_keep_theirs(hub):
    pulled(hub, f"hf:{REPOSITORY}")
    assert "already here" in infe(hub, "pull", f"hf:{REPOSITORY}:Q4_K_M").stdout  # the same file by another word
    hub.repositories["other/repo"] = {"Toy-1B-Q4_K_M.gguf": hub.repositories[REPOSITORY]["Toy-1B-Q8_0.gguf"]}
    assert "--name" in refused(hub, "hf:other/repo")
    assert pulled(hub, "hf:other/repo", "--name", "other")["name"] == "other"
    assert "--name" in refused(hub, "infe-pulse", "--name", "mine")
    assert "is neither a name nor a file" in refused(hub, "some-org/repo")
    assert "only https, http and hf:" in refused(hub, "s3://bucket/a.gguf")


def test_the_catalogue_is_listed_with_sizes_and_memory_and_runs_here(hub):
    listed = json.loads(infe(hub, "ls", "--all", "--json").stdout)
    catalogue = [model for model in listed["available"] if model["reference"]]
    assert listed["models"] == [] and len(catalogue) == 20 and not hub.seen
    for model in catalogue:
        assert model["reference"].startswith("hf:") and model["licence"] and model["architecture"]
        assert model["memory_bytes"] == model["size_bytes"] + (1 << 30)
        assert model["why_not"] is None or "of memory" in model["why_not"], model
    text = infe(hub, "ls", "--all").stdout
    assert re.search(r"^smollm3-3b +1\.92 GB  SmolLM3 3B, Q4_K_M  \(Apache-2\.0; not here, takes about 2\.99 GB of memory", text, re.M)


def test_an_entry_of_the_catalogue_is_pulled_by_its_name(hub, toys):
    hub.repositories["ggml-org/SmolLM3-3B-GGUF"] = {"SmolLM3-Q4_K_M.gguf": toys["whole.gguf"]}
    model = pulled(hub, "smollm3-3b")
    assert model["name"] == "smollm3-3b" and model["sha256"] == sha(toys["whole.gguf"])
    (listed,) = json.loads(infe(hub, "ls", "--json").stdout)["models"]
    assert listed["title"] == "SmolLM3 3B, Q4_K_M" and "ggml-org/SmolLM3-3B-GGUF:Q4_K_M" in listed["aliases"]
    asked = len(hub.seen)
    assert pulled(hub, "smollm3-3b")["already_there"] and len(hub.seen) == asked
    assert infe(hub, "rm", "smollm3-3b").returncode == 0 and in_models(hub) == []
    # The catalogue's entry is what is left.
    (entry,) = [m for m in json.loads(infe(hub, "ls", "--all", "--json").stdout)["available"] if m["name"] == "smollm3-3b"]
    assert entry["reference"] == "hf:ggml-org/SmolLM3-3B-GGUF:Q4_K_M"


def test_offline_asks_nobody(hub):
    assert "--offline" in refused(hub, "--offline", f"hf:{REPOSITORY}") and not hub.seen
    pulled(hub, f"hf:{REPOSITORY}")
    asked = len(hub.seen)
    assert pulled(hub, "--offline", f"hf:{REPOSITORY}")["already_there"] and len(hub.seen) == asked


@pytest.fixture()
def real(hub):
    source = pathlib.Path(MODEL_DIR) / "smollm2-135m.gguf"
    if not source.exists():
        pytest.skip(f"{source} is not there")
    return source


def test_a_model_in_parts_is_pulled_served_described_pinned_and_removed(hub, real, tmp_path):
    (tmp_path / "parts").mkdir()
    split(real, tmp_path / "parts/Real-135M-Q4_1", 3)
    hub.repositories["org/real"] = {path.name: path.read_bytes() for path in (tmp_path / "parts").iterdir()}
    model = pulled(hub, "hf:org/real:Q4_1")
    digest = sha(real.read_bytes())
    assert model["name"] == "Real-135M-Q4_1" and model["sha256"] == digest
    shutil.rmtree(tmp_path / "parts")
    hub.stop()  # nothing of what follows needs it
    shown = json.loads(infe(hub, "show", "Real-135M-Q4_1", "--json").stdout)
    assert shown["sha256"] == shown["registry_sha256"] == digest and shown["runs_here"]
    for name in ("Real-135M-Q4_1", "org/real:Q4_1"):  # twice: a restart knows it
        server = Serving(hub.data, models=("Real-135M-Q4_1",))
        (listed,) = json.loads(server.get("/v1/models"))["data"]
        assert listed["id"] == "Real-135M-Q4_1" and listed["file_digest"] == "sha256:" + digest
        assert server.chat(model=name, max_tokens=3)["usage"]["completion_tokens"] == 3
        assert server.stop() == 0
    path = pathlib.Path(model["path"])
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(4096))
    changed = infe(hub, "serve", "--model", "Real-135M-Q4_1", "--port", "0")
    assert changed.returncode != 0 and digest in changed.stderr and sha(path.read_bytes()) in changed.stderr
    assert infe(hub, "rm", "Real-135M-Q4_1").returncode == 0 and in_models(hub) == []
    assert infe(hub, "show", "Real-135M-Q4_1").returncode != 0
