"""infe keys and infe usage: what they print, what they refuse, with which exit code."""
import csv
import io
import json
import os
import sqlite3
import stat
import subprocess
import time

import pytest
from conftest import BINARY

DAY = 86400


@pytest.fixture()
def infe(tmp_path):
    def run(*args, code=0):
        done = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "INFE_DATA_DIR": str(tmp_path / "data")})
        assert done.returncode == code, (args, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr
    run.database = tmp_path / "data/infe.db"
    return run


def as_json(text):
    return json.loads(text)


def add_usage(database, rows):
    """Rows as the ledger writes them: (number, key, project, model, started_ms, prompt, cached, completion)."""
    with sqlite3.connect(database) as db:
        for number, key, project, model, started, prompt, cached, completion in rows:
            db.execute("INSERT INTO usage VALUES (1, ?, 1, 'req', ?, ?, ?, ?, 'chat.completions', 'default', ?, ?, 200, 'stop', "
                       "0, ?, ?, ?, ?, '')", (number, key, key, project, model, started, started + 1000, prompt, cached, completion,
                                        "user-of-" + key))


def test_create_prints_the_key_once(infe):
    made = as_json(infe("keys", "create", "--name", "ci", "--json"))
    assert list(made)[:2] == ["id", "key"]
    assert made["key"].startswith("sk-infe-") and len(made["key"]) == len("sk-infe-") + 49
    assert made["scopes"] == ["chat", "responses", "messages", "embeddings", "storage", "models.read", "usage.read"] and made["models"] is None
    assert made["kind"] == "api" and made["account"] == made["id"] and made["project"] == "default"
    assert set(made["limits"].values()) == {None}
    for text in (infe("keys", "list"), infe("keys", "list", "--json")):
        assert made["id"] in text and made["key"][8:-4] not in text
    assert made["key"][-4:] in infe("keys", "list")
    human = infe("keys", "create", "--name", "laptop")
    assert human.startswith("sk-infe-") and "export INFE_API_KEY=" in human


def test_a_policy_is_kept(infe):
    made = as_json(infe("keys", "create", "--name", "ci", "--project", "apollo", "--scope", "chat", "--scope", "usage.read",
                        "--model", "infe-pulse", "--model", "infe-titan", "--expires", "30d", "--rpm", "60", "--tpm", "10000",
                        "--concurrent", "4", "--requests-per-day", "500", "--tokens-per-day", "200000",
                        "--tokens-per-month", "3000000", "--weight", "2.5", "--json"))
    assert abs(made["expires_at"] - time.time() - 30 * DAY) < 60
    listed = as_json(infe("keys", "list", "--json"))["keys"][0]
    made.pop("key")
    assert listed == made
    assert listed["limits"] == {"requests_per_minute": 60, "tokens_per_minute": 10000, "concurrent_requests": 4,
                                "requests_per_day": 500, "tokens_per_day": 200000, "tokens_per_month": 3000000}
    assert listed["models"] == ["infe-pulse", "infe-titan"] and listed["weight"] == 2.5 and listed["project"] == "apollo"
    assert "60 rpm, 10000 tpm, 4 concurrent" in infe("keys", "list")


def test_an_admin_key_is_a_class_apart(infe):
    made = as_json(infe("keys", "create", "--name", "root", "--admin", "--json"))
    assert made["key"].startswith("sk-infe-admin-") and made["kind"] == "admin"
    assert made["scopes"] == ["admin.keys", "admin.usage", "admin.server"]
    some = as_json(infe("keys", "create", "--name", "books", "--admin", "--scope", "admin.usage", "--json"))
    assert some["scopes"] == ["admin.usage"]
    assert "admin keys (--admin)" in infe("keys", "create", "--name", "x", "--scope", "admin.*", code=2)
    assert "scope chat" in infe("keys", "create", "--name", "x", "--admin", "--scope", "chat", code=2)
    assert "export OPENAI_ADMIN_KEY=" in infe("keys", "create", "--name", "r2", "--admin")


@pytest.mark.parametrize("args, message", [
    ((), "the name must have"),
    (("--name", "x" * 200), "the name must have"),
    (("--name", "x", "--scope", "everything"), "models.read"),
    (("--name", "x", "--expires", "soon"), "90d"),
    (("--name", "x", "--expires", "2020-01-01"), "passed already"),
    (("--name", "x", "--rpm", "-5"), "requests_per_minute must be 0"),
    (("--name", "x", "--weight", "0"), "weight"),
    (("--name", "x", "--rpm", "many"), "--rpm"),
    (("--name", "x", "--colour", "red"), "--colour"),
])
def test_create_says_what_would_be_right(infe, args, message):
    assert message in infe("keys", "create", *args, code=2)
    assert not infe.database.exists() or as_json(infe("keys", "list", "--json"))["keys"] == []


def test_update_changes_what_is_given(infe):
    made = as_json(infe("keys", "create", "--name", "ci", "--rpm", "60", "--model", "infe-pulse", "--expires", "30d", "--json"))
    infe("keys", "update", "ci", "--tpm", "5000", "--project", "b")
    key = as_json(infe("keys", "list", "--json"))["keys"][0]
    assert key["limits"]["requests_per_minute"] == 60 and key["limits"]["tokens_per_minute"] == 5000
    assert key["project"] == "b" and key["models"] == ["infe-pulse"] and key["expires_at"] == made["expires_at"]
    updated = as_json(infe("keys", "update", made["id"], "--rpm", "0", "--all-models", "--expires", "never", "--json"))
    assert updated["limits"]["requests_per_minute"] is None and updated["models"] is None and updated["expires_at"] is None
    assert "nothing to change" in infe("keys", "update", "ci", code=2)
    assert "infe keys list" in infe("keys", "update", "nobody", "--rpm", "1", code=3)
    infe("keys", "update", "ci", "--scope", "admin.*", code=2)


def test_rotate_keeps_the_account(infe):
    old = as_json(infe("keys", "create", "--name", "ci", "--rpm", "60", "--json"))
    new = as_json(infe("keys", "rotate", "ci", "--overlap", "2h", "--json"))
    assert new["account"] == old["id"] and new["id"] != old["id"] and new["key"] != old["key"]
    assert new["limits"] == old["limits"] and new["expires_at"] is None
    keys = {k["id"]: k for k in as_json(infe("keys", "list", "--json"))["keys"]}
    assert abs(keys[old["id"]]["expires_at"] - time.time() - 2 * 3600) < 60
    assert "by its id" in infe("keys", "rotate", "ci", code=2)  # two have the name now
    infe("keys", "rotate", new["id"], "--overlap", "a while", code=2)
    infe("keys", "revoke", new["id"])
    assert "revoked" in infe("keys", "rotate", new["id"], code=2)
    infe("keys", "rotate", "key_none", code=3)


def test_revoke_and_list(infe):
    assert "infe keys create" in infe("keys", "list")
    a = as_json(infe("keys", "create", "--name", "a", "--project", "one", "--json"))
    infe("keys", "create", "--name", "b", "--project", "two")
    assert as_json(infe("keys", "revoke", "a", "--json"))["revoked_at"]
    infe("keys", "revoke", "a")  # already: no error
    shown = infe("keys", "list")
    assert a["id"] not in shown and "1 revoked or expired" in shown
    assert "revoked 20" in infe("keys", "list", "--all")
    assert [k["name"] for k in as_json(infe("keys", "list", "--project", "two", "--json"))["keys"]] == ["b"]
    infe("keys", "revoke", "nobody", code=3)
    infe("keys", "revoke", code=2)


def test_a_newer_database_is_refused(infe):
    infe("keys", "list")
    with sqlite3.connect(infe.database) as db:
        db.execute("INSERT INTO infe_schema VALUES (999)")
    assert "newer infe" in infe("keys", "list", code=1)


def test_usage_by_day_key_and_model(infe):
    infe("keys", "list")
    noon = (int(time.time()) // DAY) * DAY - DAY // 2  # yesterday
    add_usage(infe.database, [(1, "key_a", "one", "infe-pulse", noon * 1000, 10, 4, 5),
                              (2, "key_a", "one", "infe-titan", noon * 1000 + 1, 1, 0, 1),
                              (3, "key_b", "two", "infe-pulse", (noon - DAY) * 1000, 7, 0, 2)])
    days = as_json(infe("usage", "--json"))["usage"]
    assert [(d["requests"], d["prompt_tokens"], d["cached_tokens"], d["completion_tokens"]) for d in days] == [(1, 7, 0, 2), (2, 11, 4, 6)]
    assert days[1]["start"] == noon - DAY // 2 and days[1]["end"] - days[1]["start"] == DAY
    keys = as_json(infe("usage", "--by", "key", "--json"))["usage"]
    assert [(k["key_id"], k["requests"]) for k in keys] == [("key_a", 2), ("key_b", 1)] and "start" not in keys[0]
    users = as_json(infe("usage", "--by", "user", "--user", "user-of-key_a", "--json"))["usage"]
    assert [(u["user"], u["requests"]) for u in users] == [("user-of-key_a", 2)]
    assert "user-of-key_b" in infe("usage", "--by", "user")
    both = as_json(infe("usage", "--by", "hour,model", "--by", "project", "--json"))["usage"]
    assert len(both) == 3 and both[0]["project"] == "two"
    assert as_json(infe("usage", "--key", "key_b", "--json"))["usage"][0]["requests"] == 1
    assert as_json(infe("usage", "--model", "infe-titan", "--project", "one", "--by", "model", "--json"))["usage"][0]["requests"] == 1
    assert as_json(infe("usage", "--from", str(noon), "--to", str(noon + 3600), "--json"))["usage"][0]["requests"] == 2
    assert as_json(infe("usage", "--from", "1h", "--json"))["usage"] == []
    rows = list(csv.DictReader(io.StringIO(infe("usage", "--by", "day,key", "--csv"))))
    assert [(r["key_id"], r["requests"]) for r in rows] == [("key_b", "1"), ("key_a", "2")]
    assert "key_a" in infe("usage", "--by", "key") and "No usage" in infe("usage", "--from", "1h")


def test_usage_refuses_what_it_does_not_know(infe):
    assert "minute, hour, day" in infe("usage", "--by", "colour", code=2)
    assert "not two" in infe("usage", "--by", "hour,day", code=2)
    assert "2026-11-01" in infe("usage", "--help")
    infe("usage", "--from", "yesterday", code=2)
    infe("usage", "--from", "1d", "--to", "2d", code=2)
    infe("usage", "--json", "--csv", code=2)
    infe("usage", "--store-url", "mysql://x", code=2)


def test_backup_is_a_database_of_its_own(infe, tmp_path):
    made = as_json(infe("keys", "create", "--name", "a", "--json"))
    target = tmp_path / "copy.db"
    infe("usage", "backup", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with sqlite3.connect(target) as db:
        assert db.execute("SELECT id FROM api_key").fetchall() == [(made["id"],)]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "exists already" in infe("usage", "backup", str(target), code=1)
    infe("usage", "backup", str(tmp_path / "none/copy.db"), code=1)
    infe("usage", "backup", code=2)


def test_the_data_folder_is_the_servers(tmp_path):
    """Without --data-dir, keys and usage are where infe.toml says, as for infe serve."""
    (tmp_path / "config/infe").mkdir(parents=True)
    (tmp_path / "config/infe/infe.toml").write_text(f'data_dir = "{tmp_path}/elsewhere"\n')
    env = {k: v for k, v in os.environ.items() if not k.startswith("INFE_")}
    env.update(XDG_CONFIG_HOME=str(tmp_path / "config"), HOME=str(tmp_path))
    subprocess.run([BINARY, "keys", "create", "--name", "a"], check=True, capture_output=True, env=env)
    assert (tmp_path / "elsewhere/infe.db").exists()
    (tmp_path / "config/infe/infe.toml").write_text("colour = 1\n")
    refused = subprocess.run([BINARY, "usage"], capture_output=True, text=True, env=env)
    assert refused.returncode == 2 and "infe.toml:1" in refused.stderr
    subprocess.run([BINARY, "usage", "--data-dir", str(tmp_path / "other"), "--store-url", ""], check=True, capture_output=True, env=env)


def test_help_names_the_exit_codes(infe):
    assert "Exit codes" in infe("--help")
    for command in ("create", "list", "update", "rotate", "revoke"):
        assert "--json" in infe("keys", command, "--help")


def test_a_key_for_a_model_that_nobody_knows_is_refused(infe, tmp_path):
    message = infe("keys", "create", "--name", "ci", "--model", "infe-pulze", code=3)
    assert "no model is called infe-pulze" in message and "infe ls --all" in message
    assert as_json(infe("keys", "list", "--json"))["keys"] == []
    made = as_json(infe("keys", "create", "--name", "ci", "--model", "infe-pulse", "--json"))
    infe("keys", "update", made["id"], "--model", "typo", code=3)
    assert as_json(infe("keys", "list", "--json"))["keys"][0]["models"] == ["infe-pulse"]
    # An alias is a name too, with slashes or without.
    (tmp_path / "data/models.toml").write_text('[[model]]\nname = "infe-pulse"\naliases = ["org/pulse"]\n')
    infe("keys", "update", made["id"], "--model", "org/pulse")
