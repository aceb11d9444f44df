"""The parse and stream helpers of the official Python client, with pydantic models and tools."""
import enum
import json
import typing

import openai
import pydantic
import pytest


class Colour(enum.Enum):
    red = "red"
    blue = "blue"


class Item(pydantic.BaseModel):
    name: typing.Annotated[str, pydantic.Field(max_length=20)]
    count: typing.Annotated[int, pydantic.Field(ge=0, le=99)]
    colour: Colour


class Order(pydantic.BaseModel):
    items: typing.Annotated[list[Item], pydantic.Field(min_length=1, max_length=3)]
    note: typing.Annotated[str, pydantic.Field(max_length=30)] | None


class Weather(pydantic.BaseModel):
    """The weather of a place."""
    location: typing.Annotated[str, pydantic.Field(max_length=30)]
    days: typing.Annotated[int, pydantic.Field(ge=1, le=7)]


MESSAGES = [{"role": "user", "content": "Two red cups and a blue bowl, please."}]


@pytest.mark.parametrize("seed", range(3))
def test_parse_gives_the_pydantic_model(client, seed):
    done = client.chat.completions.parse(model="smollm2-135m", messages=MESSAGES, response_format=Order, seed=seed)
    assert isinstance(done.choices[0].message.parsed, Order)
    assert done.choices[0].finish_reason == "stop"


def test_parse_gives_parsed_arguments(client):
    done = client.chat.completions.parse(model="smollm2-135m", messages=[{"role": "user", "content": "Weather in Oslo for 3 days?"}],
                                         tools=[openai.pydantic_function_tool(Weather)], tool_choice="required", seed=2)
    call = done.choices[0].message.tool_calls[0]
    assert isinstance(call.function.parsed_arguments, Weather)


def test_stream_helper_gives_the_same_model(client):
    plain = client.chat.completions.parse(model="smollm2-135m", messages=MESSAGES, response_format=Order, seed=4)
    kinds = set()
    with client.chat.completions.stream(model="smollm2-135m", messages=MESSAGES, response_format=Order, seed=4) as stream:
        for event in stream:
            kinds.add(event.type)
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == plain.choices[0].message.parsed
    assert {"chunk", "content.delta", "content.done"} <= kinds


def test_stream_helper_gives_tool_calls(client):
    arguments = dict(model="smollm2-135m", messages=[{"role": "user", "content": "Weather in Oslo?"}], seed=6,
                     tools=[openai.pydantic_function_tool(Weather)], tool_choice="required", parallel_tool_calls=False)
    plain = client.chat.completions.create(**arguments).choices[0].message.tool_calls[0].function
    deltas, done = "", None
    with client.chat.completions.stream(**arguments) as stream:
        for event in stream:
            if event.type == "tool_calls.function.arguments.delta":
                deltas += event.arguments_delta
            if event.type == "tool_calls.function.arguments.done":
                done = event
        final = stream.get_final_completion().choices[0]
    assert deltas == plain.arguments == done.arguments == final.message.tool_calls[0].function.arguments
    assert done.name == "Weather" and isinstance(done.parsed_arguments, Weather)
    assert final.finish_reason == "tool_calls"


def test_parse_reads_an_answer_that_was_closed_before_the_limit(client):
    for seed in range(4):
        done = client.chat.completions.parse(model="smollm2-135m", messages=MESSAGES, response_format=Order, seed=seed, max_tokens=48)
        assert isinstance(done.choices[0].message.parsed, Order)
        assert done.choices[0].finish_reason == "stop" and done.usage.completion_tokens <= 48


def test_a_limit_below_the_shortest_answer_ends_with_length_and_parse_says_so(client):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="smollm2-135m", messages=MESSAGES, response_format=Order, seed=1, max_tokens=8)


class Address(pydantic.BaseModel):
    street: str
    city: str


class Person(pydantic.BaseModel):
    name: str
    age: int
    address: Address
    tags: list[str] = []


ASK_PERSON = [{"role": "user", "content": "Ada Lovelace, 36, lives at 12 St James Square in London. Extract the person."}]


def keys_of(value):
    """Every key path of a value."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value)) if value else set()
    return {key for key in value}.union(*map(keys_of, value.values())) if isinstance(value, dict) else set()


@pytest.mark.parametrize("strict", [None, False, True])
def test_a_schema_as_pydantic_makes_it_gives_its_own_keys_only(client, strict):
    """instructor's json_schema mode and the like: model_json_schema() says nothing of further keys."""
    spec = {"name": "person", "schema": Person.model_json_schema()}
    if strict is not None:
        spec["strict"] = strict
    for seed in range(3):
        done = client.chat.completions.create(model="smollm2-135m", messages=ASK_PERSON, seed=seed,
                                              response_format={"type": "json_schema", "json_schema": spec})
        value = json.loads(done.choices[0].message.content)
        assert keys_of(value) <= {"name", "age", "address", "tags", "street", "city"}
        Person.model_validate(value)
        assert list(value)[:3] == ["name", "age", "address"]
        assert done.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("way", ["tools", "functions"])
def test_an_open_tool_as_instructor_sends_it_gives_its_own_keys_only(client, way):
    function = {"name": "Person", "description": "Correctly extracted `Person`", "parameters": Person.model_json_schema()}
    asked = {"functions": [function], "function_call": {"name": "Person"}} if way == "functions" else {
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "Person"}}}
    for seed in range(3):
        choice = client.chat.completions.create(model="smollm2-135m", messages=ASK_PERSON, seed=seed, **asked).choices[0]
        call = choice.message.function_call if way == "functions" else choice.message.tool_calls[0].function
        value = json.loads(call.arguments)
        assert keys_of(value) <= {"name", "age", "address", "tags", "street", "city"}
        Person.model_validate(value)
        assert choice.finish_reason == "stop"  # of a call that was forced by name, as at OpenAI


def test_required_calls_near_the_limit_are_whole_and_end_with_tool_calls(client):
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}}
    for seed in range(8):
        choice = client.chat.completions.create(
            model="smollm2-135m", messages=[{"role": "user", "content": "What is the weather in Tokyo, Oslo, Rome, Lima and Cairo?"}],
            tools=[tool], tool_choice="required", max_tokens=60 + 7 * seed, seed=seed).choices[0]
        assert choice.finish_reason == "tool_calls"
        for call in choice.message.tool_calls:
            assert json.loads(call.function.arguments)["location"] != ""
