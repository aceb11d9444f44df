"""OpenAI's Agents SDK, over responses (its default) and chat completions."""
import asyncio

from agents import (Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIConversationsSession, OpenAIResponsesModel,
                    Runner, SQLiteSession, function_tool, set_tracing_disabled)
from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, WEATHER, claims, trip, weather_of, whole
from openai import AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)
settings = ModelSettings(temperature=0, max_tokens=400)


class Trip(BaseModel):
    """A trip."""
    city: str
    days: int


def models():
    # A client of its own for each run: it belongs to the run's loop.
    yield OpenAIChatCompletionsModel(model=MODEL, openai_client=AsyncOpenAI(base_url=BASE_URL, api_key=KEY))
    yield OpenAIResponsesModel(model=MODEL, openai_client=AsyncOpenAI(base_url=BASE_URL, api_key=KEY))


def plain():
    for model in models():
        whole(Runner.run_sync(Agent(name="a", model=model, model_settings=settings), HELLO).final_output)


def stream():
    async def run(model):
        result = Runner.run_streamed(Agent(name="a", model=model, model_settings=settings), HELLO)
        parts = [e.data.delta async for e in result.stream_events()
                 if e.type == "raw_response_event" and e.data.type == "response.output_text.delta"]
        assert whole("".join(parts)) == result.final_output
    for model in models():
        asyncio.run(run(model))


def tools():
    for model in models():
        asked = []

        @function_tool
        def get_weather(location: str) -> str:
            """Get the current weather in a location."""
            asked.append(location)
            return weather_of(location)
        agent = Agent(name="a", model=model, model_settings=settings, tools=[get_weather])
        whole(Runner.run_sync(agent, WEATHER).final_output)
        assert asked, model


def structured():
    for model in models():
        trip(Runner.run_sync(Agent(name="a", model=model, model_settings=settings, output_type=Trip), TRIP).final_output)


def handoff():
    # Two agents and a tool: the first must hand over, the second must call. What a small model says at the
    # end is its own affair; that both happened over the wire is looked at.
    for model in models():
        asked = []

        @function_tool
        def get_weather(location: str) -> str:
            """Get the current weather in a location."""
            asked.append(location)
            return weather_of(location)
        must = ModelSettings(temperature=0, max_tokens=400, tool_choice="required")
        meteorologist = Agent(name="Meteorologist", handoff_description="Knows the weather everywhere", model=model,
                              model_settings=must, tools=[get_weather])
        first = Agent(name="Desk", instructions="Hand every question over.", model=model, model_settings=must, handoffs=[meteorologist])
        result = Runner.run_sync(first, WEATHER)
        assert result.last_agent.name == "Meteorologist" and asked, (result.last_agent.name, asked)


def sessions():
    async def run(model, session):
        agent = Agent(name="a", model=model, model_settings=settings)
        await Runner.run(agent, "My name is Ada.", session=session)
        whole((await Runner.run(agent, "What is my name?", session=session)).final_output)
        users = [item["content"] for item in await session.get_items() if item.get("role") == "user"]
        assert len(users) == 2 and "Ada" in str(users[0]), users
    for model in models():
        asyncio.run(run(model, SQLiteSession("s")))
    # The server keeps this one, as a conversation.
    client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY)
    asyncio.run(run(OpenAIResponsesModel(model=MODEL, openai_client=client), OpenAIConversationsSession(openai_client=client)))

    async def go_on():
        client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY)
        agent = Agent(name="a", model=OpenAIResponsesModel(model=MODEL, openai_client=client), model_settings=settings)
        first = await Runner.run(agent, "My name is Ada.")
        whole((await Runner.run(agent, "What is my name?", previous_response_id=first.last_response_id)).final_output)
    asyncio.run(go_on())


claims(plain=plain, stream=stream, tools=tools, structured=structured, handoff=handoff, sessions=sessions)
