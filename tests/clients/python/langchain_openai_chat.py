"""LangChain's ChatOpenAI: chat completions, and responses by use_responses_api."""
from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, WEATHER, claims, trip, weather_of, whole
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

model = ChatOpenAI(base_url=BASE_URL, api_key=KEY, model=MODEL, temperature=0, max_tokens=200, max_retries=0)


class Trip(BaseModel):
    """A trip."""
    city: str
    days: int


def plain():
    answer = model.invoke(HELLO)
    whole(answer.content)
    assert answer.usage_metadata["output_tokens"] > 0


def stream():
    assert whole("".join(chunk.text for chunk in model.stream(HELLO))) == model.invoke(HELLO).text


def tools():
    answer = model.bind_tools([tool(weather_of)], tool_choice="any").invoke(WEATHER)
    assert answer.tool_calls[0]["args"]["location"], answer
    # How an agent of a small model ends is the model's affair; that its calls come back is the wire's.
    turns = create_agent(model, [tool(weather_of)]).invoke({"messages": [("user", WEATHER)]},
                                                           {"recursion_limit": 30})["messages"]
    assert any(turn.type == "tool" and "21 degrees" in turn.content for turn in turns), turns


def structured():
    for method in ("json_schema", "function_calling", "json_mode"):
        question = TRIP + (' Answer in JSON like {"city": "Rome", "days": 1}.' if method == "json_mode" else "")
        trip(model.with_structured_output(Trip, method=method).invoke(question))


def responses():
    over = ChatOpenAI(base_url=BASE_URL, api_key=KEY, model=MODEL, temperature=0, max_tokens=200, max_retries=0, use_responses_api=True)
    whole(over.invoke(HELLO).text)
    whole("".join(chunk.text for chunk in over.stream(HELLO)))
    answer = over.bind_tools([tool(weather_of)], tool_choice="any").invoke(WEATHER)
    assert answer.tool_calls[0]["args"]["location"], answer
    trip(over.with_structured_output(Trip).invoke(TRIP))


claims(plain=plain, stream=stream, tools=tools, structured=structured, responses=responses)
