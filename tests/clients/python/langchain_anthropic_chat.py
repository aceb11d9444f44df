"""LangChain's ChatAnthropic, over /v1/messages."""
from claims import HELLO, KEY, MODEL, ROOT_URL, TRIP, WEATHER, claims, trip, weather_of, whole
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

model = ChatAnthropic(base_url=ROOT_URL, api_key=KEY, model=MODEL, temperature=0, max_tokens=200, max_retries=0)


class Trip(BaseModel):
    """A trip."""
    city: str
    days: int


def plain():
    whole(model.invoke(HELLO).text)


def stream():
    assert whole("".join(chunk.text for chunk in model.stream(HELLO))) == model.invoke(HELLO).text


def tools():
    answer = model.bind_tools([tool(weather_of)], tool_choice="any").invoke(WEATHER)
    call = answer.tool_calls[0]
    result = ToolMessage(weather_of(**call["args"]), tool_call_id=call["id"])
    turns = [HumanMessage(WEATHER), answer, result]
    whole(model.bind_tools([tool(weather_of)], tool_choice={"type": "none"}).invoke(turns).text)


def structured():
    for method in ("json_schema", "function_calling"):
        trip(model.with_structured_output(Trip, method=method).invoke(TRIP))


claims(plain=plain, stream=stream, tools=tools, structured=structured)
