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


def test_a_limit_of_the_client_ends_with_length_and_parse_says_so(client):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="smollm2-135m", messages=MESSAGES, response_format=Order, seed=1, max_tokens=30)
    cut = client.chat.completions.create(
        model="smollm2-135m", messages=MESSAGES, seed=1, max_tokens=60,
        response_format={"type": "json_schema", "json_schema": {"name": "order", "schema": Order.model_json_schema()}})
    Order.model_validate(json.loads(cut.choices[0].message.content))  # closed before the limit all the same
