"""What the speed proofs share: one streamed answer with the time of every token, over harness.py."""

import json
import time

from harness import Connection, post, WORDS

PATH = "/v1/chat/completions"


def body(prompt, tokens, **more):
    """A streamed request of exactly `tokens` tokens, greedy unless told otherwise."""
    return {"model": "smollm2-135m", "messages": [{"role": "user", "content": prompt}], "stream": True,
            "stream_options": {"include_usage": True}, "temperature": 0, "ignore_eos": True,
            "max_tokens": tokens, **more}


def words(seed, count):
    """Text that begins differently for each seed, about one and a quarter tokens a word."""
    return f"{seed} " + " ".join(WORDS[(seed * 31 + i * i + 7 * i) % len(WORDS)] for i in range(count))


class Stream:
    """One request: times of its chunks with text, in seconds of time.perf_counter."""

    def __init__(self, server, request):
        self.server, self.request = server, request
        self.sent, self.times, self.usage, self.text = 0.0, [], None, ""

    async def run(self):
        connection = await Connection.open(self.server.port)
        try:
            self.sent = time.perf_counter()
            await connection.send(post(PATH, self.request, self.server.key))
            status, headers = await connection.head()
            rest = b""
            async for piece in connection.pieces(headers):
                if status != 200:
                    raise ValueError(f"status {status}: {piece[:300]!r}")
                *lines, rest = (rest + piece).split(b"\n\n")
                for line in lines:
                    self.take(line)
        finally:
            connection.close()
        return self

    def take(self, line):
        if not line.startswith(b"data: ") or line == b"data: [DONE]":
            return
        event = json.loads(line[6:])
        self.usage = event.get("usage") or self.usage
        text = "".join(c["delta"].get("content") or "" for c in event.get("choices", []))
        if text:
            self.times.append(time.perf_counter())
            self.text += text

    @property
    def ttft_ms(self):
        return 1e3 * (self.times[0] - self.sent)

    def gaps_ms(self, begin, end):
        """Waits between chunks that overlap the time from begin to end."""
        return [1e3 * (b - a) for a, b in zip(self.times, self.times[1:]) if b > begin and a < end]

    @property
    def tok_s(self):
        """Of the answer, from its first token to its last."""
        return (self.usage["completion_tokens"] - 1) / (self.times[-1] - self.times[0])
