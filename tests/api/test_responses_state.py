"""What is kept of responses and conversations, with the official client against the real server: going on,
looking at it, the background, other projects, a restart, the bounds."""
import time

import openai
import pytest
from conftest import Server
from responses_wire import MODEL, Wire


@pytest.fixture(scope="module")
def keeper(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("keeper"))
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


@pytest.fixture(scope="module")
def wire(keeper):
    return Wire(keeper)


@pytest.fixture(scope="module")
def user(keeper):
    return keeper.client()


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return result


def test_a_response_is_kept_and_removed(user, wire):
    made = user.responses.create(model=MODEL, input="Say hello.", max_output_tokens=8, metadata={"a": "b"})
    kept = user.responses.retrieve(made.id)
    assert kept.to_dict() == made.to_dict()
    wire.check("Response", wire.send("GET", f"/responses/{made.id}").json())
    items = wire.send("GET", f"/responses/{made.id}/input_items").json()
    wire.check("ResponseItemList", items)
    assert [item.id for item in user.responses.input_items.list(made.id)] == [items["data"][0]["id"]]
    user.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        user.responses.retrieve(made.id)


def test_all_kinds_of_input_items_are_shown_as_the_api_has_them(wire):
    made = wire.create(max_output_tokens=4, tools=[{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}], input=[
        {"role": "developer", "content": "rules"},
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"role": "assistant", "content": "hello"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "two"},
        {"role": "user", "content": "go on"}])
    page = wire.send("GET", f"/responses/{made['id']}/input_items?order=asc&limit=5").json()
    wire.check("ResponseItemList", page)
    rest = wire.send("GET", f"/responses/{made['id']}/input_items?order=asc&after={page['last_id']}").json()
    wire.check("ResponseItemList", rest)
    assert (len(page["data"]), page["has_more"], len(rest["data"]), rest["has_more"]) == (5, True, 4, False)


def test_a_turn_goes_on_from_the_last_and_reuses_its_prefix(user):
    story = "Here is a list of words: " + "river stone garden window morning bridge letter market " * 8
    first = user.responses.create(model=MODEL, input=story, max_output_tokens=8)
    second = user.responses.create(model=MODEL, input="Go on.", previous_response_id=first.id, max_output_tokens=8)
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens
    assert second.usage.input_tokens_details.cached_tokens >= first.usage.input_tokens // 2
    by_hand = user.responses.create(
        model=MODEL, max_output_tokens=8, store=False,
        input=[{"role": "user", "content": story}, *first.output, {"role": "user", "content": "Go on."}])
    assert by_hand.usage.input_tokens == second.usage.input_tokens
    with pytest.raises(openai.BadRequestError) as refused:
        user.responses.create(model=MODEL, input="x", previous_response_id="resp_nobody")
    assert refused.value.code == "previous_response_not_found"


def test_a_call_goes_back_by_the_id_alone(user):
    tool = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}
    called = user.responses.create(model=MODEL, input="What time is it?", tools=[tool], tool_choice="required",
                                   parallel_tool_calls=False, max_output_tokens=60)
    call = called.output[-1]
    answered = user.responses.create(
        model=MODEL, tools=[tool], tool_choice="none", previous_response_id=called.id, max_output_tokens=8,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "Noon."}])
    assert answered.status in ("completed", "incomplete")
    with pytest.raises(openai.BadRequestError):  # the call is still open
        user.responses.create(model=MODEL, input="well?", tools=[tool], previous_response_id=called.id)


def test_items_are_referred_to_by_their_id(user):
    first = user.responses.create(model=MODEL, input="Say hello.", max_output_tokens=8)
    second = user.responses.create(
        model=MODEL, max_output_tokens=4,
        input=[{"role": "user", "content": "Say hello."}, {"type": "item_reference", "id": first.output[0].id},
               {"role": "user", "content": "And again."}])
    assert second.status in ("completed", "incomplete")


def test_what_is_not_stored_is_not_found(user):
    made = user.responses.create(model=MODEL, input="x", max_output_tokens=2, store=False)
    with pytest.raises(openai.NotFoundError):
        user.responses.retrieve(made.id)


def test_the_background_is_polled(user, wire):
    queued = user.responses.create(model=MODEL, input="Tell a story.", max_output_tokens=30, background=True)
    assert queued.status == "queued"
    wire.check("Response", queued.to_dict())
    done = wait_for(lambda: (r := user.responses.retrieve(queued.id)).status not in ("queued", "in_progress") and r)
    assert done.status in ("completed", "incomplete") and done.output_text


def test_a_background_stream_is_followed_from_where_it_broke(user, wire):
    body = dict(model=MODEL, input="Tell a long story.", max_output_tokens=80, background=True, extra_body={"seed": 5})
    seen = []
    with user.responses.create(stream=True, **body) as stream:
        for event in stream:
            seen.append(event)
            if len(seen) == 12:
                break
    made = seen[0].response.id
    with user.responses.retrieve(made, stream=True, starting_after=seen[-1].sequence_number) as stream:
        seen += list(stream)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert text == seen[-1].response.output_text == user.responses.retrieve(made).output_text
    again = wire.events(wire.send("GET", f"/responses/{made}?stream=true&starting_after=3").text, first=4)
    assert again[-1]["response"]["id"] == made
    assert [event["type"] for event in wire.events(
        wire.send("GET", f"/responses/{made}?stream=true").text)][:3] == [
            "response.created", "response.queued", "response.in_progress"]


def test_the_background_is_cancelled(user, keeper):
    made = user.responses.create(model=MODEL, input="Count to a thousand.", max_output_tokens=1500, background=True,
                                 extra_body={"ignore_eos": True})
    cancelled = user.responses.cancel(made.id)
    assert cancelled.status == "cancelled" and user.responses.retrieve(made.id).status == "cancelled"
    wait_for(lambda: keeper.total("infe_running") == 0)


def test_conversations_hold_their_items(user, wire):
    made = user.conversations.create(items=[{"type": "message", "role": "user", "content": "My name is Ada."}],
                                     metadata={"topic": "names"})
    wire.check("ConversationResource", wire.send("GET", f"/conversations/{made.id}").json())
    answer = user.responses.create(model=MODEL, conversation=made.id, input="Hello.", max_output_tokens=8)
    assert answer.conversation.id == made.id
    listed = wire.send("GET", f"/conversations/{made.id}/items?order=asc").json()
    wire.check("ConversationItemList", listed)
    assert [item["role"] for item in listed["data"]] == ["user", "user", "assistant"]
    items = list(user.conversations.items.list(made.id, order="asc", limit=1))
    assert [item.id for item in items] == [item["id"] for item in listed["data"]]
    user.conversations.items.delete(items[0].id, conversation_id=made.id)
    more = user.conversations.items.create(made.id, items=[{"type": "message", "role": "user", "content": "Bye."}])
    assert user.conversations.items.retrieve(more.data[0].id, conversation_id=made.id).role == "user"
    assert user.conversations.update(made.id, metadata={"topic": "other"}).metadata == {"topic": "other"}
    assert user.conversations.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        user.conversations.retrieve(made.id)


def test_chats_are_stored_listed_and_labelled(user, wire):
    ask = dict(model=MODEL, messages=[{"role": "user", "content": "Say hello."}], max_tokens=8, store=True)
    made = user.chat.completions.create(**ask, metadata={"run": "one", "n": "1"})
    assert user.chat.completions.retrieve(made.id).to_dict() == made.to_dict()
    with user.chat.completions.create(**ask, stream=True, metadata={"run": "two"}) as stream:
        chunks = list(stream)
    kept = user.chat.completions.retrieve(chunks[0].id)
    assert kept.choices[0].message.content == "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    wire.check("CreateChatCompletionResponse", wire.send("GET", f"/chat/completions/{kept.id}").json())
    wire.check("ChatCompletionList", wire.send("GET", "/chat/completions?limit=1").json())
    assert {chat.id for chat in user.chat.completions.list(limit=1)} == {made.id, kept.id}
    assert [chat.id for chat in user.chat.completions.list(metadata={"run": "two"})] == [kept.id]
    messages = list(user.chat.completions.messages.list(made.id))
    assert [(m.content, m.id) for m in messages] == [("Say hello.", f"{made.id}-0")]
    assert user.chat.completions.update(made.id, metadata={"run": "three"}).metadata == {"run": "three"}
    assert [chat.id for chat in user.chat.completions.list(metadata={"run": "three"}, model=MODEL)] == [made.id]
    removed = user.chat.completions.delete(made.id)
    assert removed.deleted and removed.object == "chat.completion.deleted"
    wire.check("ChatCompletionDeleted", removed.to_dict())
    with pytest.raises(openai.NotFoundError):
        user.chat.completions.retrieve(made.id)


def test_another_project_finds_nothing(user, keeper):
    made = user.responses.create(model=MODEL, input="secret", max_output_tokens=2)
    talk = user.conversations.create()
    key, _ = keeper.new_key("stranger", "--project", "elsewhere")
    stranger = openai.OpenAI(base_url=keeper.base_url, api_key=key, max_retries=0, timeout=600)

    def seen():
        try:
            stranger.models.list()
            return True
        except openai.AuthenticationError:
            return False
    wait_for(seen)
    for ask in (lambda: stranger.responses.retrieve(made.id), lambda: stranger.responses.delete(made.id),
                lambda: stranger.responses.input_items.list(made.id), lambda: stranger.conversations.retrieve(talk.id),
                lambda: stranger.conversations.items.list(talk.id)):
        with pytest.raises(openai.NotFoundError):
            ask()
    assert user.responses.retrieve(made.id).id == made.id


def test_a_restart_keeps_what_is_done_and_ends_what_was_not(tmp_path):
    server = Server(tmp_path, env={"INFE_DRAIN_TIMEOUT": "0"})
    user = server.client()
    done = user.responses.create(model=MODEL, input="Say hello.", max_output_tokens=8)
    lost = user.responses.create(model=MODEL, input="Count.", max_output_tokens=1500, background=True,
                                 extra_body={"ignore_eos": True})
    wait_for(lambda: user.responses.retrieve(lost.id).status == "in_progress")
    time.sleep(0.5)  # written by then
    server.kill()
    server.start()
    assert user.responses.retrieve(done.id).output_text == done.output_text
    ended = user.responses.retrieve(lost.id)
    assert ended.status == "failed" and "stopped" in ended.error.message
    assert server.stop() == 0


def test_a_server_may_keep_nothing_or_little(tmp_path):
    (tmp_path / "none").mkdir()
    server = Server(tmp_path / "none", args=("--no-keep-responses",))
    user = server.client()
    made = user.responses.create(model=MODEL, input="x", max_output_tokens=2)
    assert made.to_dict()["store"] is False
    with pytest.raises(openai.NotFoundError):
        user.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError):
        user.responses.create(model=MODEL, input="x", background=True)
    assert server.stop() == 0
    (tmp_path / "little").mkdir()
    server = Server(tmp_path / "little", args=("--kept-bytes", "16KiB"))
    user = server.client()
    ids = [user.responses.create(model=MODEL, input="x" * 1500, max_output_tokens=1).id]
    time.sleep(1.1)  # what was made within one second has no order among itself
    ids += [user.responses.create(model=MODEL, input="x" * 1500, max_output_tokens=1).id for _ in range(7)]
    with pytest.raises(openai.NotFoundError):
        wait_for(lambda: user.responses.retrieve(ids[0]) and None, seconds=10)
    assert user.responses.retrieve(ids[-1]).id == ids[-1]
    assert server.stop() == 0
