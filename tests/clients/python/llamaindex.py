"""LlamaIndex's OpenAILike, which has to be told that the model chats and calls functions."""
from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, WEATHER, claims, trip, weather_of, whole
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

model = OpenAILike(api_base=BASE_URL, api_key=KEY, model=MODEL, is_chat_model=True, is_function_calling_model=True,
                   should_use_structured_outputs=True, context_window=8192, temperature=0, max_tokens=200, max_retries=0)


class Trip(BaseModel):
    """A trip."""
    city: str
    days: int


def plain():
    whole(model.chat([ChatMessage(role="user", content=HELLO)]).message.content)
    whole(model.complete(HELLO).text)


def stream():
    whole("".join(part.delta or "" for part in model.stream_chat([ChatMessage(role="user", content=HELLO)])))


def tools():
    answer = model.chat_with_tools([FunctionTool.from_defaults(weather_of)], WEATHER, tool_required=True)
    assert model.get_tool_calls_from_response(answer)[0].tool_kwargs["location"], answer
    result = model.predict_and_call([FunctionTool.from_defaults(weather_of)], WEATHER)
    assert "21 degrees" in result.response, result


def structured():
    trip(model.as_structured_llm(Trip).complete(TRIP).raw)


claims(plain=plain, stream=stream, tools=tools, structured=structured)
