"""Administration with the official Python client: projects, keys, limits, usage, audit."""
import http.client
import json
import os
import pathlib
import signal
import sys
import time
import urllib.error
import urllib.request

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import SLOW, Server  # noqa: E402

HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def administered(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("admin"), admin=True)
    yield running
    assert running.stop() == 0, running.log_text()


@pytest.fixture
def organization(administered):
    return administered.admin_client().admin.organization


def user(server, key):
    return openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0)


def generate(client, **more):
    return client.chat.completions.create(**{"model": "smollm2-135m", "messages": HELLO, "max_tokens": 3, **more})


def test_a_project_lives_from_creation_to_archive(organization):
    made = organization.projects.create(name="Search")
    assert made.object == "organization.project" and made.status == "active" and made.id.startswith("proj_")
    assert organization.projects.retrieve(made.id).name == "Search"
    assert organization.projects.update(made.id, name="Find").name == "Find"
    assert made.id in [p.id for p in organization.projects.list()]
    archived = organization.projects.archive(made.id)
    assert archived.status == "archived" and archived.archived_at
    assert made.id not in [p.id for p in organization.projects.list()]
    assert made.id in [p.id for p in organization.projects.list(include_archived=True)]
    with pytest.raises(openai.NotFoundError):
        organization.projects.retrieve("proj_nobody")
    with pytest.raises(openai.BadRequestError) as refused:
        organization.projects.create(name="")
    assert refused.value.param == "name"


def test_lists_come_in_pages(organization):
    ids = [organization.projects.create(name=f"page {i}").id for i in range(5)]
    listed = [p.id for p in organization.projects.list(limit=2)]  # the client fetches page after page
    assert {i for i in listed if i in ids} == set(ids)
    assert len(listed) == len(set(listed))


def test_a_service_account_shows_its_key_once_and_the_key_works_until_it_is_deleted(administered, organization):
    project = organization.projects.create(name="accounts")
    made = organization.projects.service_accounts.create(project.id, name="worker")
    value = made.api_key.value
    assert value.startswith("sk-infe-") and made.object == "organization.project.service_account"
    client = user(administered, value)
    assert generate(client).choices
    accounts = list(organization.projects.service_accounts.list(project.id))
    assert [a.id for a in accounts] == [made.id] and accounts[0].name == "worker"
    keys = list(organization.projects.api_keys.list(project.id))
    assert [k.id for k in keys] == [made.api_key.id]
    key = organization.projects.api_keys.retrieve(made.api_key.id, project_id=project.id)
    assert key.owner.service_account.id == made.id
    assert value not in key.to_json() and key.redacted_value.endswith(value[-4:])
    assert organization.projects.service_accounts.delete(made.id, project_id=project.id).deleted
    with pytest.raises(openai.AuthenticationError):
        generate(client)
    assert list(organization.projects.api_keys.list(project.id)) == []


def test_a_key_can_be_given_less_and_an_end(administered, organization):
    project = organization.projects.create(name="less")
    made = organization.projects.service_accounts.create(project.id, name="worker")
    client = user(administered, made.api_key.value)
    changed = organization.projects.api_keys.update(
        made.api_key.id, project_id=project.id, scopes=["models.read"], expires_in_seconds=3600)
    assert abs(changed.expires_at - time.time() - 3600) < 60
    with pytest.raises(openai.PermissionDeniedError):
        generate(client)
    assert client.models.list().data
    with pytest.raises(openai.BadRequestError):
        organization.projects.api_keys.update(made.api_key.id, project_id=project.id, scopes=["admin.keys"])
    assert organization.projects.api_keys.delete(made.api_key.id, project_id=project.id).deleted
    with pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_an_archived_projects_keys_are_dead(administered, organization):
    project = organization.projects.create(name="ended")
    made = organization.projects.service_accounts.create(project.id, name="worker")
    client = user(administered, made.api_key.value)
    assert client.models.list().data
    organization.projects.archive(project.id)
    with pytest.raises(openai.AuthenticationError):
        client.models.list()
    with pytest.raises(openai.BadRequestError):
        organization.projects.service_accounts.create(project.id, name="late")


def test_admin_keys_and_api_keys_are_classes_apart(administered, organization):
    admin = organization.admin_api_keys.create(name="second")
    assert admin.value.startswith("sk-infe-admin-") and admin.object == "organization.admin_api_key"
    second = openai.OpenAI(base_url=administered.ops_root + "/v1", api_key="none", admin_api_key=admin.value, max_retries=0)
    assert admin.id in [k.id for k in second.admin.organization.admin_api_keys.list()]
    assert second.admin.organization.admin_api_keys.retrieve(admin.id).name == "second"
    with pytest.raises(openai.PermissionDeniedError) as refused:
        user(administered, admin.value).models.list()
    assert refused.value.code == "insufficient_permissions"
    with pytest.raises(openai.PermissionDeniedError):
        openai.OpenAI(base_url=administered.ops_root + "/v1", api_key="none", admin_api_key=administered.key,
                      max_retries=0).admin.organization.projects.create(name="no")
    assert organization.admin_api_keys.delete(admin.id).deleted
    with pytest.raises(openai.AuthenticationError):
        second.admin.organization.projects.retrieve("default")


def test_administration_always_needs_a_key(administered):
    for key in ("none", "sk-infe-admin-wrong"):
        client = openai.OpenAI(base_url=administered.ops_root + "/v1", api_key="none", admin_api_key=key, max_retries=0)
        with pytest.raises(openai.AuthenticationError):
            client.admin.organization.projects.retrieve("default")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(administered.ops_root + "/v1/organization/projects", timeout=10)
    assert refused.value.code == 401
    # And the public listener has none of it.
    with pytest.raises(openai.NotFoundError):
        openai.OpenAI(base_url=administered.base_url, api_key="none", admin_api_key=administered.admin_key,
                      max_retries=0).admin.organization.projects.retrieve("default")


def test_rate_limits_of_a_project_are_listed_and_changed(organization):
    project = organization.projects.create(name="rates")
    limits = list(organization.projects.rate_limits.list_rate_limits(project.id))
    assert [limit.model for limit in limits] == ["smollm2-135m"]
    changed = organization.projects.rate_limits.update_rate_limit(
        limits[0].id, project_id=project.id, max_requests_per_1_minute=11, max_tokens_per_1_minute=2222)
    assert (changed.max_requests_per_1_minute, changed.max_tokens_per_1_minute) == (11, 2222)
    again = list(organization.projects.rate_limits.list_rate_limits(project.id))[0]
    assert again == changed
    with pytest.raises(openai.BadRequestError):
        organization.projects.rate_limits.update_rate_limit(limits[0].id, project_id=project.id, max_requests_per_1_minute=0)
    with pytest.raises(openai.NotFoundError):
        organization.projects.rate_limits.update_rate_limit("rl-nothing", project_id=project.id, max_requests_per_1_minute=1)


def usage_of(organization, **query):
    pages = organization.usage.completions(start_time=int(time.time()) - 3600, **query)
    return [result for bucket in pages.data for result in bucket.results]


def test_billed_tokens_are_those_the_client_was_told(administered, organization):
    project = organization.projects.create(name="usage")
    made = organization.projects.service_accounts.create(project.id, name="worker")
    client = user(administered, made.api_key.value)
    answers = [generate(client), generate(client, n=2), generate(client, max_tokens=8)]
    streamed = [c.usage for c in generate(client, stream=True, stream_options={"include_usage": True}) if c.usage]
    told = [a.usage for a in answers] + streamed
    expected = (sum(u.prompt_tokens for u in told), sum(u.completion_tokens for u in told),
                sum(u.prompt_tokens_details.cached_tokens for u in told), len(told))
    deadline = time.time() + 10
    while True:
        rows = usage_of(organization, project_ids=[project.id], group_by=["project_id", "model", "api_key_id"])
        got = [(r.input_tokens, r.output_tokens, r.input_cached_tokens, r.num_model_requests) for r in rows]
        if got == [expected]:
            break
        assert time.time() < deadline, (got, expected)
        time.sleep(0.05)
    assert (rows[0].project_id, rows[0].model, rows[0].api_key_id) == (project.id, "smollm2-135m", made.api_key.id)
    assert rows[0].input_uncached_tokens == rows[0].input_tokens - rows[0].input_cached_tokens
    assert usage_of(organization, project_ids=["proj_nobody"]) == []
    assert usage_of(organization, models=["infe-titan"]) == []


def test_a_stream_that_is_left_is_billed_for_what_it_sent(administered, organization):
    project = organization.projects.create(name="leavers")
    made = organization.projects.service_accounts.create(project.id, name="worker")
    client = user(administered, made.api_key.value)
    stream = generate(client, stream=True, max_tokens=4000, extra_body={"ignore_eos": True})
    seen = 0
    for chunk in stream:
        seen += bool(chunk.choices and chunk.choices[0].delta.content)
        if seen == 20:
            break
    stream.close()
    deadline = time.time() + 10 * SLOW
    while not (rows := usage_of(organization, project_ids=[project.id])) or rows[0].output_tokens < seen:
        assert time.time() < deadline
        time.sleep(0.05)
    assert seen <= rows[0].output_tokens < 4000


def test_a_collected_answer_that_is_left_is_billed_for_what_was_made(administered, organization):
    project = organization.projects.create(name="collectors")
    made = organization.projects.service_accounts.create(project.id, name="worker")
    body = json.dumps({"model": "smollm2-135m", "messages": [{"role": "user", "content": "Count."}], "max_tokens": 4000,
                       "ignore_eos": True})

    def generated():
        with urllib.request.urlopen(administered.ops_root + "/metrics") as answer:
            return sum(float(line.rpartition(b" ")[2]) for line in answer.read().splitlines()
                       if line.startswith(b"infe_generated_tokens_total"))

    before = generated()
    connection = http.client.HTTPConnection("127.0.0.1", administered.port)
    connection.request("POST", "/v1/chat/completions", body,
                       {"Content-Type": "application/json", "Authorization": f"Bearer {made.api_key.value}"})
    deadline = time.time() + 60 * SLOW
    while generated() < before + 20:
        assert time.time() < deadline
    connection.close()
    while not (rows := usage_of(organization, project_ids=[project.id])) or rows[0].output_tokens == 0:
        assert time.time() < deadline
        time.sleep(0.05)
    assert 0 < rows[0].output_tokens < 4000 and rows[0].input_tokens > 0


def test_a_key_with_usage_read_sees_its_own_project_on_both_listeners(administered, organization):
    project, other = organization.projects.create(name="mine"), organization.projects.create(name="theirs")
    made = {scope: organization.projects.service_accounts.create(
        project.id, name=scope, extra_body={"scopes": [scope]}).api_key.value for scope in ("usage.read", "chat")}
    with pytest.raises(openai.PermissionDeniedError):
        user(administered, made["usage.read"]).models.list()
    worker = organization.projects.service_accounts.create(project.id, name="w").api_key.value
    stranger = organization.projects.service_accounts.create(other.id, name="s").api_key.value
    told = generate(user(administered, worker)).usage
    generate(user(administered, stranger))
    for root in (administered.ops_root, administered.root):
        reader = openai.OpenAI(base_url=root + "/v1", api_key="none", admin_api_key=made["usage.read"], max_retries=0)
        deadline = time.time() + 10
        while True:
            rows = usage_of(reader.admin.organization, group_by=["project_id"])
            got = [(r.project_id, r.input_tokens, r.output_tokens) for r in rows]
            if got == [(project.id, told.prompt_tokens, told.completion_tokens)]:
                break
            assert time.time() < deadline, got
            time.sleep(0.05)
        assert reader.admin.organization.usage.costs(start_time=int(time.time()) - 60).data
        with pytest.raises(openai.PermissionDeniedError):
            usage_of(reader.admin.organization, project_ids=[other.id])
        with pytest.raises((openai.PermissionDeniedError, openai.NotFoundError)):
            reader.admin.organization.projects.retrieve(project.id)
        blind = openai.OpenAI(base_url=root + "/v1", api_key="none", admin_api_key=made["chat"], max_retries=0)
        with pytest.raises(openai.PermissionDeniedError) as refused:
            usage_of(blind.admin.organization)
        assert "usage.read" in refused.value.message


def test_usage_comes_in_buckets_and_pages(organization):
    start = int(time.time()) // 60 * 60 - 240
    first = organization.usage.completions(start_time=start, end_time=start + 300, bucket_width="1m", limit=2)
    assert [(b.start_time, b.end_time) for b in first.data] == [(start, start + 60), (start + 60, start + 120)]
    assert first.has_more and first.next_page
    second = organization.usage.completions(start_time=start, end_time=start + 300, bucket_width="1m", limit=10,
                                            page=first.next_page)
    assert [b.start_time for b in second.data] == [start + 120, start + 180, start + 240]
    assert not second.has_more
    with pytest.raises(openai.BadRequestError) as refused:
        organization.usage.completions(start_time=start, bucket_width="1m", limit=5000)
    assert refused.value.param == "limit"
    costs = organization.usage.costs(start_time=start)
    assert all(result.amount.value == 0 for bucket in costs.data for result in bucket.results)


def test_every_change_is_in_the_audit_log(administered, organization):
    project = organization.projects.create(name="audited")
    made = organization.projects.service_accounts.create(project.id, name="worker")
    organization.projects.rate_limits.update_rate_limit("rl-smollm2-135m", project_id=project.id, max_requests_per_1_minute=9)
    organization.projects.api_keys.delete(made.api_key.id, project_id=project.id)
    organization.projects.archive(project.id)
    entries = list(organization.audit_logs.list(project_ids=[project.id], limit=2))
    assert [e.type for e in entries] == ["project.archived", "api_key.deleted", "rate_limit.updated", "api_key.created",
                                         "service_account.created", "project.created"]
    assert all(e.actor.api_key.id == administered.admin_key_id for e in entries)
    assert entries[2].rate_limit_updated.changes_requested.max_requests_per_1_minute == 9
    assert entries[1].api_key_deleted.id == made.api_key.id
    assert [e.type for e in organization.audit_logs.list(project_ids=[project.id], event_types=["project.created"])] == [
        "project.created"]
    assert not any(made.api_key.value in e.to_json() for e in entries)


def test_audit_entries_hold_what_was_asked_for_with_its_old_values(organization):
    project = organization.projects.create(name="whole")
    limits = {"requests_per_minute": 60, "tokens_per_day": 1000}
    made = organization.projects.service_accounts.create(project.id, name="worker", extra_body={"limits": limits, "weight": 2})
    changes = {"scopes": ["chat"], "expires_in_seconds": 3600}
    extra = {"limits": {"requests_per_minute": 5, "tokens_per_day": 1000}, "models": ["smollm2-135m"], "weight": 3}
    organization.projects.api_keys.update(made.api_key.id, project_id=project.id, extra_body=extra, **changes)
    organization.projects.service_accounts.update(made.id, project_id=project.id, name="renamed")
    organization.projects.rate_limits.update_rate_limit("rl-smollm2-135m", project_id=project.id, max_requests_per_1_minute=9)
    organization.projects.rate_limits.update_rate_limit("rl-smollm2-135m", project_id=project.id, max_requests_per_1_minute=8)
    organization.projects.service_accounts.delete(made.id, project_id=project.id)
    entries = [json.loads(e.to_json()) for e in organization.audit_logs.list(project_ids=[project.id])]
    by_type = {}
    for entry in entries:
        by_type.setdefault(entry["type"], entry[entry["type"]])  # the newest
    created = next(e["api_key.created"] for e in entries if e["type"] == "api_key.created")["data"]
    assert created["limits"]["requests_per_minute"] == 60 and created["weight"] == 2
    updated = [e["api_key.updated"] for e in entries if e["type"] == "api_key.updated"][-1]
    to, was = updated["changes_requested"], updated["changes_from"]
    # Also what was asked for and was so already.
    assert to["limits"] == extra["limits"] and was["limits"] == limits
    assert (to["scopes"], was["scopes"]) == (["chat"], ["chat", "responses", "messages", "embeddings", "storage", "models.read", "usage.read"])
    assert (to["models"], was["models"]) == (["smollm2-135m"], []) and (to["weight"], was["weight"]) == (3, 2)
    assert abs(to["expires_at"] - time.time() - 3600) < 60 and was["expires_at"] == 0
    account = by_type["service_account.updated"]
    assert account["changes_requested"]["name"] == "renamed" and account["changes_from"]["name"] == "worker"
    assert by_type["rate_limit.updated"] == {"id": "rl-smollm2-135m", "changes_requested": {"max_requests_per_1_minute": 8},
                                             "changes_from": {"max_requests_per_1_minute": 9}}
    assert by_type["service_account.deleted"]["changes_from"]["name"] == "renamed"
    assert by_type["api_key.deleted"]["id"] == made.api_key.id


def test_no_secret_is_ever_written_down(administered, organization):
    made = organization.projects.service_accounts.create("default", name="canary")
    generate(user(administered, made.api_key.value), messages=[{"role": "user", "content": "canary-prompt-5512"}])
    time.sleep(0.3)
    for path in administered.folder.rglob("*"):
        if path.is_file() and path.suffix != ".gguf" and "packed" not in path.parts:
            data = path.read_bytes()
            for secret in (made.api_key.value, administered.admin_key, "canary-prompt-5512"):
                assert secret.encode() not in data, path
