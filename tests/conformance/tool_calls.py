"""How well models call tools, and that what they call is always valid, through the official client.

    python tests/conformance/tool_calls.py choose --base-url http://127.0.0.1:8080/v1 --model infe-pulse
        with tool_choice absent: how often a question that needs a tool gets the right call, and one
        that needs none gets text. One line per question.
    python tests/conformance/tool_calls.py required --model infe-pulse --count 200
        random prompts and tools with tool_choice required, named, allowed_tools and none, plain and
        streamed: every call validates under its schema, the stream equals the plain answer.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import random
import sys

import jsonschema


def function(name, description, properties, required=None):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {
        "type": "object", "properties": properties, "required": list(properties) if required is None else required}}}


WEATHER = function("get_weather", "Get the current weather in a location",
                   {"location": {"type": "string", "description": "City name"}})
MAIL = function("send_email", "Send an email to somebody",
                {"to": {"type": "string"}, "subject": {"type": "string"}, "body": {"type": "string"}}, ["to", "body"])
SUM = function("add_numbers", "Add two numbers", {"a": {"type": "number"}, "b": {"type": "number"}})
PRICE = function("get_stock_price", "Get the current price of a stock", {"symbol": {"type": "string", "description": "Ticker symbol, e.g. AAPL"}})
TIMER = function("set_timer", "Start a timer", {"minutes": {"type": "integer"}})

# (label, tools, question, name of the call or None for text, what the arguments have to satisfy)
QUESTIONS = [
    ("weather of Tokyo", [WEATHER], "What's the weather in Tokyo?", "get_weather", lambda a: a["location"].strip().lower().startswith("tokyo")),
    ("weather, other words", [WEATHER], "Is it raining in Paris right now?", "get_weather", lambda a: "paris" in a["location"].lower()),
    ("weather among others", [MAIL, WEATHER, SUM], "How is the weather in Berlin today?", "get_weather", lambda a: "berlin" in a["location"].lower()),
    ("sum", [SUM], "Use the tool to add 17 and 25.", "add_numbers", lambda a: sorted((a["a"], a["b"])) == [17, 25]),
    ("stock", [PRICE, WEATHER], "What is the current price of the stock AAPL?", "get_stock_price", lambda a: "AAPL" in a["symbol"].upper()),
    ("timer", [TIMER], "Set a timer for 10 minutes.", "set_timer", lambda a: a["minutes"] == 10),
    ("mail", [MAIL], "Send an email to bob@example.com that says hello.", "send_email", lambda a: "bob" in a["to"].lower()),
    ("haiku", [WEATHER], "Write a haiku about the sea.", None, None),
    ("greeting", [WEATHER], "Hello! How are you?", None, None),
    ("capital", [WEATHER, MAIL, SUM], "What is the capital of France?", None, None),
    ("code", [PRICE], "Write a Python function that reverses a string.", None, None),
    ("thanks", [TIMER], "Thank you, that was very helpful.", None, None),
]


def choose(client, args):
    def one(job):
        (label, tools, question, name, fits), seed = job
        choice = client.chat.completions.create(model=args.model, messages=[{"role": "user", "content": question}], tools=tools,
                                                seed=seed, **({"max_tokens": 300} if name is None else {})).choices[0]
        calls = choice.message.tool_calls or []
        if name is None:
            return label, not calls and bool((choice.message.content or "").strip()), "called"
        if not calls:
            return label, False, "text"
        if calls[0].function.name != name:
            return label, False, "wrong tool"
        arguments = json.loads(calls[0].function.arguments)
        jsonschema.validate(arguments, next(t for t in tools if t["function"]["name"] == name)["function"]["parameters"])
        return label, fits(arguments), f"arguments {calls[0].function.arguments[:60]}"

    wanted = [q for q in QUESTIONS if not args.only or args.only in q[0]]
    jobs = [(q, seed) for q in wanted for seed in range(args.count)]
    good, misses = collections.Counter(), collections.defaultdict(collections.Counter)
    with concurrent.futures.ThreadPoolExecutor(args.threads) as pool:
        for label, right, miss in pool.map(one, jobs):
            good[label] += right
            if not right:
                misses[label][miss] += 1
    for label, _, question, name, _ in wanted:
        print(f"{label:22} {good[label]:4} of {args.count}  wanted {name or 'text'}: {dict(misses[label].most_common(4))}")
    return 0


WORDS = ["river", "invoice", "Tokyo", "seven", "quickly", "\"quoted\"", "naïve", "東京", "{brace}", "<tag>", "12.5", "delete", "colour", "\\", "please", "why"]


def random_schema(rng, depth=0):
    kinds = ["string", "integer", "number", "boolean", "enum", "format"] + ["array", "object"] * (depth < 2)
    kind = rng.choice(kinds)
    if kind == "string":
        return {"type": "string", "maxLength": rng.choice([5, 20, 60])}
    if kind == "integer":
        return {"type": "integer", "minimum": rng.randrange(-5, 1), "maximum": rng.randrange(2, 1000)}
    if kind == "number":
        return {"type": "number", "minimum": -100, "maximum": 100}
    if kind == "enum":
        return {"enum": rng.sample(WORDS, 3)}
    if kind == "format":
        return {"type": "string", "format": rng.choice(["date", "email", "ipv4"]), "maxLength": 40}
    if kind == "array":
        return {"type": "array", "items": random_schema(rng, depth + 1), "maxItems": 3}
    if kind == "object":
        return random_object(rng, depth + 1)
    return {"type": "boolean"}


def random_object(rng, depth=0):
    names = rng.sample(["id", "name", "when", "amount", "größe", "tags", "note_2", "is_on"], rng.randrange(0, 4))
    return {"type": "object", "properties": {n: random_schema(rng, depth) for n in names},
            "required": [n for n in names if rng.random() < 0.7]}


def read(client, body):
    """(content, [(id, name, arguments)], finish_reason) plain and from the stream."""
    plain = client.chat.completions.create(**body).choices[0]
    calls = [(t.function.name, t.function.arguments) for t in plain.message.tool_calls or []]
    content, pieces, reason = "", [], None
    for chunk in client.chat.completions.create(**body, stream=True):
        choice = chunk.choices[0]
        content += choice.delta.content or ""
        for call in choice.delta.tool_calls or []:
            if call.index == len(pieces):
                assert call.id and call.type == "function" and call.function.name
                pieces.append([call.function.name, ""])
            else:
                assert call.id is None and call.function.name is None
            pieces[call.index][1] += call.function.arguments or ""
        reason = choice.finish_reason or reason
    streamed = (content, [tuple(p) for p in pieces], reason)
    return (plain.message.content or "", calls, plain.finish_reason), streamed


def required(client, args):
    rng = random.Random(args.seed)
    jobs = []
    for i in range(args.count):
        tools = [function(f"tool_{j}", rng.choice(WORDS) + " " + rng.choice(WORDS), {}) for j in range(rng.randrange(1, 4))]
        for tool in tools:
            tool["function"]["parameters"] = random_object(rng)
        name = rng.choice(tools)["function"]["name"]
        named = {"type": "function", "function": {"name": name}}
        choice = ["required", "required", named, {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}, "none"][i % 5]
        body = dict(model=args.model, tools=tools, tool_choice=choice, seed=rng.randrange(2**31), max_tokens=400,
                    messages=[{"role": "user", "content": " ".join(rng.choices(WORDS, k=rng.randrange(1, 12)))}])
        if choice == "none":
            body["max_tokens"] = 48
        if rng.random() < 0.4:
            body["parallel_tool_calls"] = False
        jobs.append((body, name))

    def one(job):
        body, name = job
        choice, tools = body["tool_choice"], {t["function"]["name"]: t["function"]["parameters"] for t in body["tools"]}
        plain, streamed = read(client, body)
        if plain != streamed:
            return f"the stream differs: {plain} {streamed}"
        _, calls, reason = plain
        if choice == "none":
            return None if not calls and reason in ("stop", "length") else f"none: {plain}"
        if not calls:
            return f"no call: {plain}"
        wanted = "stop" if isinstance(choice, dict) and choice["type"] == "function" else "tool_calls"
        if reason not in (wanted, "length"):
            return f"finish_reason {reason}"
        if (isinstance(choice, dict) or not body.get("parallel_tool_calls", True)) and choice != "required":
            if any(called != name for called, _ in calls):
                return f"another tool: {plain}"
        if body.get("parallel_tool_calls") is False and len(calls) > 1:
            return f"several calls: {plain}"
        for called, arguments in calls:
            jsonschema.Draft202012Validator(tools[called], format_checker=jsonschema.FormatChecker()).validate(json.loads(arguments))
        return None

    failures, done = [], collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(args.threads) as pool:
        for (body, _), future in [(job, pool.submit(one, job)) for job in jobs]:
            choice = body["tool_choice"]
            kind = choice if isinstance(choice, str) else choice["type"]
            try:
                problem = future.result()
            except Exception as error:  # noqa: BLE001
                problem = f"{type(error).__name__}: {error}"
            done[kind] += problem is None
            if problem:
                failures.append(f"{kind} seed {body['seed']}: {problem[:400]}")
    print(f"required: {args.count} prompts, {len(failures)} failures; good: {dict(done)}")
    for failure in failures[:20]:
        print("  ", failure)
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["choose", "required"])
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--model", default="infe-pulse")
    parser.add_argument("--count", type=int, default=100, help="seeds of each question, or prompts")
    parser.add_argument("--only", help="questions whose label holds this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=8)
    args = parser.parse_args()
    from openai import OpenAI
    client = OpenAI(base_url=args.base_url, api_key=os.environ.get("INFE_API_KEY", "none"), max_retries=5, timeout=900)
    sys.exit({"choose": choose, "required": required}[args.what](client, args))


if __name__ == "__main__":
    main()
