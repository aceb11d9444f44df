"""Instructor: modes TOOLS, TOOLS_STRICT, JSON and JSON_SCHEMA, whole and partial."""
import instructor
import openai
from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, claims, trip, whole
from pydantic import BaseModel

plain_client = openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
ask = {"model": MODEL, "temperature": 0, "max_tokens": 300, "messages": [{"role": "user", "content": TRIP}]}


class Trip(BaseModel):
    """A trip."""
    city: str
    days: int


def of(mode):
    return instructor.from_openai(openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0), mode=mode)


def plain():
    whole(of(instructor.Mode.TOOLS).chat.completions.create(
        model=MODEL, response_model=None, messages=[{"role": "user", "content": HELLO}]).choices[0].message.content)


def stream():
    parts = list(of(instructor.Mode.TOOLS).chat.completions.create_partial(response_model=Trip, **ask))
    trip(parts[-1])
    parts = list(of(instructor.Mode.JSON_SCHEMA).chat.completions.create_partial(response_model=Trip, **ask))
    trip(parts[-1])


def tools():
    for mode in (instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT):
        trip(of(mode).chat.completions.create(response_model=Trip, max_retries=0, **ask))


def structured():
    for mode in (instructor.Mode.JSON_SCHEMA, instructor.Mode.JSON):
        trip(of(mode).chat.completions.create(response_model=Trip, max_retries=0, **ask))


claims(plain=plain, stream=stream, tools=tools, structured=structured)
