// The official Node client against a running server: plain, streamed, the stream helper, errors.
// Prints one line per claim; any failed claim throws.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.INFE_BASE_URL, apiKey: process.env.INFE_API_KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "Say hello to the world." }];

const plain = await client.chat.completions.create({ model: "smollm2-135m", messages, seed: 7, max_tokens: 24 });
assert.equal(plain.object, "chat.completion");
assert.ok(plain.usage.total_tokens > plain.usage.completion_tokens);
console.log("ok plain");

let text = "";
for await (const chunk of await client.chat.completions.create({ model: "smollm2-135m", messages, seed: 7, max_tokens: 24, stream: true }))
  text += chunk.choices[0]?.delta?.content ?? "";
assert.equal(text, plain.choices[0].message.content);
console.log("ok stream equals plain");

const helper = client.chat.completions.stream({ model: "smollm2-135m", messages, seed: 7, max_tokens: 24, stream_options: { include_usage: true } });
const final = await helper.finalChatCompletion();
assert.equal(final.choices[0].message.content, text);
assert.equal(final.usage.completion_tokens, plain.usage.completion_tokens);
console.log("ok stream helper");

await assert.rejects(client.chat.completions.create({ model: "no-such-model", messages }), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
await assert.rejects(client.chat.completions.create({ model: "smollm2-135m", messages, temperature: 3 }), (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature");
console.log("ok errors");

const json = await client.chat.completions.create({ model: "smollm2-135m", messages: [{ role: "user", content: "A dog as JSON." }], response_format: { type: "json_object" }, max_tokens: 60 });
JSON.parse(json.choices[0].message.content);
console.log("ok json mode");

const ids = [];
for await (const model of client.models.list()) ids.push(model.id);
assert.ok(ids.includes("smollm2-135m"));
console.log("ok models");
