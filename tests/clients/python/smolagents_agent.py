"""smolagents: its model class, and an agent that calls tools."""
from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, TRIP_SCHEMA, WEATHER, claims, trip, weather_of, whole
from smolagents import OpenAIModel, ToolCallingAgent, tool

model = OpenAIModel(model_id=MODEL, api_base=BASE_URL, api_key=KEY, temperature=0, max_tokens=300)
question = [{"role": "user", "content": [{"type": "text", "text": HELLO}]}]
asked = []


@tool
def get_weather(location: str) -> str:
    """Get the current weather in a location.

    Args:
        location: City name
    """
    asked.append(location)
    return weather_of(location)


def plain():
    whole(model.generate(question).content)


def stream():
    whole("".join(part.content or "" for part in model.generate_stream(question)))


def tools():
    # How an agent of a small model ends is the model's affair; that it called is the wire's.
    ToolCallingAgent(tools=[get_weather], model=model, max_steps=3, verbosity_level=0).run(WEATHER)
    assert asked, "no call"


def structured():
    answer = model.generate([{"role": "user", "content": [{"type": "text", "text": TRIP}]}],
                            response_format={"type": "json_schema", "json_schema": {"name": "trip", "strict": True, "schema": TRIP_SCHEMA}})
    trip(answer.content)


claims(plain=plain, stream=stream, tools=tools, structured=structured)
