"""Pydantic AI: agents over chat completions, with each way to structured output, and over responses."""
import asyncio
import contextlib

from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, WEATHER, claims, trip, weather_of, whole
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits

provider = OpenAIProvider(base_url=BASE_URL, api_key=KEY)
model = OpenAIChatModel(MODEL, provider=provider)
settings = {"temperature": 0.0, "max_tokens": 400}


class Trip(BaseModel):
    """A trip."""
    city: str
    days: int


def plain():
    whole(Agent(model, model_settings=settings).run_sync(HELLO).output)


def stream():
    async def text():
        async with Agent(model, model_settings=settings).run_stream(HELLO) as run:
            return [part async for part in run.stream_text(delta=True)]
    whole("".join(asyncio.run(text())))


def tools():
    asked = []

    def get_weather(location: str) -> str:
        """Get the current weather in a location."""
        asked.append(location)
        return weather_of(location)
    # How an agent of a small model ends is the model's affair; that its calls come back is the wire's.
    with contextlib.suppress(UsageLimitExceeded):
        Agent(model, tools=[get_weather], model_settings=settings).run_sync(
            WEATHER, usage_limits=UsageLimits(request_limit=3))
    assert asked


def structured():
    for kind in (ToolOutput, NativeOutput, PromptedOutput):
        trip(Agent(model, output_type=kind(Trip), model_settings=settings, retries=3).run_sync(TRIP).output)


def responses():
    over = OpenAIResponsesModel(MODEL, provider=provider)
    whole(Agent(over, model_settings=settings).run_sync(HELLO).output)
    trip(Agent(over, output_type=NativeOutput(Trip), model_settings=settings).run_sync(TRIP).output)


claims(plain=plain, stream=stream, tools=tools, structured=structured, responses=responses)
