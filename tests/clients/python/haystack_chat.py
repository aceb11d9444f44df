"""Haystack's OpenAIChatGenerator."""
from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, WEATHER, claims, trip, weather_of, whole
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from haystack.utils import Secret
from pydantic import BaseModel


class Trip(BaseModel):
    city: str
    days: int


def model(**more):
    return OpenAIChatGenerator(api_base_url=BASE_URL, api_key=Secret.from_token(KEY), model=MODEL, max_retries=0,
                               generation_kwargs={"temperature": 0, "max_tokens": 200, **more})


def plain():
    whole(model().run([ChatMessage.from_user(HELLO)])["replies"][0].text)


def stream():
    parts = []
    reply = model().run([ChatMessage.from_user(HELLO)], streaming_callback=lambda chunk: parts.append(chunk.content))["replies"][0]
    assert whole("".join(parts)) == reply.text


def tools():
    tool = create_tool_from_function(weather_of)
    question = ChatMessage.from_user(WEATHER)
    reply = model().run([question], tools=[tool])["replies"][0]
    call = reply.tool_call
    turns = [question, reply, ChatMessage.from_tool(tool.invoke(**call.arguments), origin=call)]
    whole(model().run(turns, tools=[tool])["replies"][0].text)


def structured():
    trip(model(response_format=Trip).run([ChatMessage.from_user(TRIP)])["replies"][0].text)


claims(plain=plain, stream=stream, tools=tools, structured=structured)
