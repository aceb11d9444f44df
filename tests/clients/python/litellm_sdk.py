"""LiteLLM's SDK: the providers openai/ and hosted_vllm/, and anthropic/."""
import json

import litellm
from claims import BASE_URL, HELLO, KEY, MODEL, ROOT_URL, TRIP, WEATHER, WEATHER_SCHEMA, claims, trip, weather_of, whole
from pydantic import BaseModel

litellm.telemetry = False
tool = {"type": "function", "function": {"name": "get_weather", "description": "Get the current weather in a location",
                                         "parameters": WEATHER_SCHEMA}}
ROUTES = ({"model": f"openai/{MODEL}", "api_base": BASE_URL}, {"model": f"hosted_vllm/{MODEL}", "api_base": BASE_URL})


class Trip(BaseModel):
    city: str
    days: int


def ask(route, question, **more):
    messages = question if isinstance(question, list) else [{"role": "user", "content": question}]
    return litellm.completion(**route, api_key=KEY, messages=messages, temperature=0, max_tokens=300, num_retries=0, **more)


def plain():
    for route in ROUTES:
        whole(ask(route, HELLO).choices[0].message.content)


def stream():
    for route in ROUTES:
        whole("".join(chunk.choices[0].delta.content or "" for chunk in ask(route, HELLO, stream=True) if chunk.choices))


def tools():
    for route in ROUTES:
        messages = [{"role": "user", "content": WEATHER}]
        message = ask(route, messages, tools=[tool], tool_choice="required").choices[0].message
        call = message.tool_calls[0]
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": weather_of(**json.loads(call.function.arguments))}]
        whole(ask(route, messages, tools=[tool], tool_choice="none").choices[0].message.content)


def structured():
    for route in ROUTES:
        trip(ask(route, TRIP, response_format=Trip).choices[0].message.content)


def messages():
    route = {"model": f"anthropic/{MODEL}", "api_base": ROOT_URL}
    whole(ask(route, HELLO).choices[0].message.content)
    whole("".join(chunk.choices[0].delta.content or "" for chunk in ask(route, HELLO, stream=True) if chunk.choices))


claims(plain=plain, stream=stream, tools=tools, structured=structured, messages=messages)
