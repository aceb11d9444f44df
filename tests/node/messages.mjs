// Anthropic's official Node client against a running server: plain, streamed, the stream helper,
// tools, errors. Prints one line per claim; any failed claim throws.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.env.INFE_BASE_URL.replace(/\/v1$/, ""), apiKey: process.env.INFE_API_KEY, maxRetries: 0 });
const ask = { model: "smollm2-135m", max_tokens: 24, seed: 7, messages: [{ role: "user", content: "Say hello to the world." }] };

const plain = await client.messages.create(ask);
assert.equal(plain.type, "message");
assert.ok(["end_turn", "max_tokens"].includes(plain.stop_reason));
console.log("ok plain");

let text = "";
for await (const event of await client.messages.create({ ...ask, stream: true }))
  if (event.type === "content_block_delta") text += event.delta.text;
assert.equal(text, plain.content[0].text);
console.log("ok stream equals plain");

const final = await client.messages.stream(ask).finalMessage();
assert.equal(final.content[0].text, text);
assert.equal(final.usage.output_tokens, plain.usage.output_tokens);
assert.equal(final.stop_reason, plain.stop_reason);
console.log("ok stream helper");

const tools = [{ name: "add", input_schema: { type: "object", properties: { a: { type: "integer" } }, required: ["a"] } }];
const called = await client.messages.create({ ...ask, max_tokens: 200, tools, tool_choice: { type: "tool", name: "add" } });
const use = called.content.find((block) => block.type === "tool_use");
assert.ok(Number.isInteger(use.input.a));
assert.equal(called.stop_reason, "tool_use");
console.log("ok tools");

const counted = await client.messages.countTokens({ model: ask.model, messages: ask.messages });
const usage = plain.usage;
assert.equal(counted.input_tokens, usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens);
console.log("ok count");

await assert.rejects(client.messages.create({ ...ask, model: "no-such-model" }), (e) => e instanceof Anthropic.NotFoundError && e.type === "not_found_error" && e.requestID.startsWith("req_"));
await assert.rejects(client.messages.create({ ...ask, messages: [] }), (e) => e instanceof Anthropic.BadRequestError);
console.log("ok errors");
