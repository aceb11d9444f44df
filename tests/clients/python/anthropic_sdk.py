"""Anthropic's own client, over /v1/messages."""
import anthropic
from claims import HELLO, KEY, MODEL, ROOT_URL, TRIP, TRIP_SCHEMA, WEATHER, WEATHER_SCHEMA, claims, trip, weather_of, whole
from pydantic import BaseModel

client = anthropic.Anthropic(base_url=ROOT_URL, api_key=KEY, max_retries=0)
tool = {"name": "get_weather", "description": "Get the current weather in a location", "input_schema": WEATHER_SCHEMA}


class Trip(BaseModel):
    city: str
    days: int


def plain():
    question = {"model": MODEL, "messages": [{"role": "user", "content": HELLO}]}
    answer = client.messages.create(**question, max_tokens=60, extra_body={"temperature": 0})
    whole(answer.content[0].text)
    counted = client.messages.count_tokens(**question).input_tokens
    usage = answer.usage
    assert counted == usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0), (counted, usage)


def stream():
    with client.messages.stream(model=MODEL, max_tokens=60, messages=[{"role": "user", "content": HELLO}]) as events:
        text = "".join(events.text_stream)
        assert whole(text) == events.get_final_message().content[0].text


def tools():
    messages = [{"role": "user", "content": WEATHER}]
    first = client.messages.create(model=MODEL, max_tokens=300, messages=messages, tools=[tool],
                                   tool_choice={"type": "any"})
    assert first.stop_reason == "tool_use", first
    use = next(block for block in first.content if block.type == "tool_use")
    messages += [{"role": "assistant", "content": first.content},
                 {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": weather_of(**use.input)}]}]
    whole(client.messages.create(model=MODEL, max_tokens=60, messages=messages, tools=[tool],
                                 tool_choice={"type": "none"}).content[0].text)


def structured():
    answer = client.messages.create(model=MODEL, max_tokens=200, messages=[{"role": "user", "content": TRIP}],
                                    output_config={"format": {"type": "json_schema", "schema": TRIP_SCHEMA}})
    trip(answer.content[0].text)
    trip(client.messages.parse(model=MODEL, max_tokens=200, messages=[{"role": "user", "content": TRIP}],
                               output_format=Trip).parsed_output)


claims(plain=plain, stream=stream, tools=tools, structured=structured)
