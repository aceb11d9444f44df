// Anthropic's own client for Node.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { HELLO, TRIP, WEATHER, apiKey, claims, model, rootURL, trip, weatherOf, weatherSchema, whole } from "./claims.mjs";

const client = new Anthropic({ baseURL: rootURL, apiKey, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
const tools = [{ name: "get_weather", description: "Get the current weather in a location", input_schema: weatherSchema }];

await claims({
  plain: async () => {
    const { content, usage } = await client.messages.create({ model, max_tokens: 60, messages: user(HELLO) });
    whole(content[0].text);
    const { input_tokens } = await client.messages.countTokens({ model, messages: user(HELLO) });
    assert.equal(input_tokens, usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0));
  },
  stream: async () => {
    const stream = client.messages.stream({ model, max_tokens: 60, messages: user(HELLO) });
    let text = "";
    stream.on("text", (delta) => (text += delta));
    const final = await stream.finalMessage();
    assert.equal(whole(text), final.content[0].text);
  },
  tools: async () => {
    const messages = user(WEATHER);
    const first = await client.messages.create({ model, max_tokens: 300, messages, tools, tool_choice: { type: "any" } });
    const use = first.content.find((block) => block.type === "tool_use");
    messages.push({ role: "assistant", content: first.content },
                  { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: weatherOf(use.input) }] });
    whole((await client.messages.create({ model, max_tokens: 60, messages, tools, tool_choice: { type: "none" } })).content[0].text);
  },
  structured: async () => {
    const format = { type: "json_schema", schema: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } },
                                                    required: ["city", "days"], additionalProperties: false } };
    trip(JSON.parse((await client.messages.create({ model, max_tokens: 200, messages: user(TRIP), output_config: { format } })).content[0].text));
  },
});
