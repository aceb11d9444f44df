// OpenAI's own client for Node: chat completions and responses.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { HELLO, ROOM, TRIP, WEATHER, apiKey, baseURL, claims, model, trip, weatherOf, weatherSchema, whole } from "./claims.mjs";

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const ask = (content, more = {}) => ({ model, seed: 1, max_tokens: ROOM, messages: [{ role: "user", content }], ...more });
const get_weather = { name: "get_weather", description: "Get the current weather in a location", parameters: weatherSchema };
const tools = [{ type: "function", function: get_weather }];
const tripShape = z.object({ city: z.string(), days: z.number().int() });

await claims({
  plain: async () => whole((await client.chat.completions.create(ask(HELLO))).choices[0].message.content),
  stream: async () => {
    const direct = (await client.chat.completions.create(ask(HELLO))).choices[0].message.content;
    const stream = client.chat.completions.stream(ask(HELLO, { stream_options: { include_usage: true } }));
    let text = "";
    stream.on("content", (delta) => (text += delta));
    const final = await stream.finalChatCompletion();
    assert.equal(text, direct);
    assert.equal(final.choices[0].message.content, direct);
    assert.ok(final.usage.total_tokens > 0);
  },
  tools: async () => {
    const [{ message, finish_reason }] = (await client.chat.completions.create(ask(WEATHER, { tools, tool_choice: "required" }))).choices;
    assert.equal(finish_reason, "tool_calls");
    const call = message.tool_calls[0];
    const result = { role: "tool", tool_call_id: call.id, content: weatherOf(JSON.parse(call.function.arguments)) };
    const messages = [...ask(WEATHER).messages, message, result];
    whole((await client.chat.completions.create({ ...ask(WEATHER, { tools, tool_choice: "none" }), messages })).choices[0].message.content);
  },
  structured: async () => {
    const response_format = zodResponseFormat(tripShape, "trip");
    trip((await client.chat.completions.parse(ask(TRIP, { response_format }))).choices[0].message.parsed);
  },
  responses: async () => {
    const room = { model, temperature: 0, max_output_tokens: ROOM };
    const direct = whole((await client.responses.create({ ...room, input: HELLO })).output_text);
    assert.equal((await client.responses.stream({ ...room, input: HELLO }).finalResponse()).output_text, direct);
    trip((await client.responses.parse({ ...room, input: TRIP, text: { format: zodTextFormat(tripShape, "trip") } })).output_parsed);
    const tools = [{ type: "function", strict: false, ...get_weather }];
    const first = await client.responses.create({ ...room, input: WEATHER, tools, tool_choice: "required" });
    const call = first.output.find((item) => item.type === "function_call");
    const output = { type: "function_call_output", call_id: call.call_id, output: weatherOf(JSON.parse(call.arguments)) };
    const input = [{ role: "user", content: WEATHER }, ...first.output, output];
    whole((await client.responses.create({ ...room, input, tools, tool_choice: "none" })).output_text);
  },
});
