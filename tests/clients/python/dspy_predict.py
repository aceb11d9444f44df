"""DSPy: its model class, a signature through the JSON adapter, whole and streamed, and native calls."""
import asyncio

import dspy
from claims import BASE_URL, HELLO, KEY, MODEL, claims, weather_of, whole

model = dspy.LM(f"openai/{MODEL}", api_base=BASE_URL, api_key=KEY, temperature=0, max_tokens=300, cache=False, num_retries=0)
dspy.configure(lm=model)


def plain():
    answer = model(HELLO)[0]
    whole(answer if isinstance(answer, str) else answer["text"])


def stream():
    async def run():
        program = dspy.streamify(dspy.Predict("question -> answer"),
                                 stream_listeners=[dspy.streaming.StreamListener(signature_field_name="answer")])
        return [part async for part in program(question=HELLO)]
    parts = asyncio.run(run())
    streamed = "".join(part.chunk for part in parts if isinstance(part, dspy.streaming.StreamResponse))
    assert whole(streamed).strip() == parts[-1].answer.strip(), parts


def structured():
    with dspy.context(adapter=dspy.JSONAdapter()):
        answer = dspy.Predict("text -> city: str, days: int")(text="We go to Oslo for 3 days.")
    assert answer.city and isinstance(answer.days, int), answer


def tools():
    asked = []

    def get_weather(location: str) -> str:
        """Get the current weather in a location."""
        asked.append(location)
        return weather_of(location)
    tool = dspy.Tool(get_weather)
    with dspy.context(adapter=dspy.JSONAdapter(use_native_function_calling=True)):
        answer = dspy.Predict(dspy.Signature("question: str, tools: list[dspy.Tool] -> calls: dspy.ToolCalls"))(
            question="What's the weather in Tokyo?", tools=[tool])
    assert answer.calls.tool_calls[0].name == "get_weather", answer


claims(plain=plain, stream=stream, tools=tools, structured=structured)
