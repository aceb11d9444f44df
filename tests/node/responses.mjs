// The official Node client and what is kept: responses whole and streamed, tools, formats, going on,
// the background, conversations. Prints one line per claim; any failed claim throws.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.INFE_BASE_URL, apiKey: process.env.INFE_API_KEY, maxRetries: 0 });
const model = "smollm2-135m";
const ask = { model, input: "Say hello to the world.", seed: 7, max_output_tokens: 24 };

const plain = await client.responses.create(ask);
assert.ok(plain.output_text.length > 0);
assert.deepEqual((await client.responses.retrieve(plain.id)).output, plain.output);
console.log("ok create and retrieve");

const helper = client.responses.stream(ask);
let text = "";
helper.on("response.output_text.delta", (event) => (text += event.delta));
const final = await helper.finalResponse();
assert.equal(text, plain.output_text);
assert.equal(final.output_text, text);
console.log("ok stream equals create");

const schema = { type: "object", properties: { name: { type: "string" }, red: { type: "integer" } }, required: ["name", "red"], additionalProperties: false };
const parsed = await client.responses.parse({ model, input: "Describe a colour.", max_output_tokens: 200, text: { format: { type: "json_schema", name: "colour", strict: true, schema } } });
assert.equal(typeof parsed.output_parsed.red, "number");
console.log("ok parse");

const tool = { type: "function", name: "get_time", strict: true, parameters: { type: "object", properties: {}, required: [], additionalProperties: false } };
const called = await client.responses.create({ model, input: "What time is it?", tools: [tool], tool_choice: "required", parallel_tool_calls: false, max_output_tokens: 60 });
const call = called.output.find((item) => item.type === "function_call");
const answered = await client.responses.create({
  model, tools: [tool], tool_choice: "none", previous_response_id: called.id, max_output_tokens: 8,
  input: [{ type: "function_call_output", call_id: call.call_id, output: "Noon." }] });
assert.equal(answered.previous_response_id, called.id);
assert.ok(answered.output.every((item) => item.type === "message"));
console.log("ok tools and previous_response_id");

const queued = await client.responses.create({ ...ask, background: true });
assert.equal(queued.status, "queued");
let polled = queued;
while (polled.status === "queued" || polled.status === "in_progress") polled = await client.responses.retrieve(queued.id);
assert.equal(polled.output_text, plain.output_text);
console.log("ok background is polled");

let id, last, first = "";
for await (const event of await client.responses.create({ ...ask, background: true, stream: true })) {
  if (event.type === "response.created") id = event.response.id;
  if (event.type === "response.output_text.delta") first += event.delta;
  last = event.sequence_number;
  if (last === 8) break;
}
for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: last })) {
  assert.equal(event.sequence_number, ++last);
  if (event.type === "response.output_text.delta") first += event.delta;
}
assert.equal(first, plain.output_text);
console.log("ok background is followed again");

const conversation = await client.conversations.create({ items: [{ type: "message", role: "user", content: "My name is Ada." }] });
await client.responses.create({ ...ask, conversation: conversation.id });
const roles = [];
for await (const item of client.conversations.items.list(conversation.id, { order: "asc", limit: 1 })) roles.push(item.role);
assert.deepEqual(roles, ["user", "user", "assistant"]);
assert.equal((await client.conversations.delete(conversation.id)).deleted, true);
console.log("ok conversations");

const chat = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Hi." }], max_tokens: 4, store: true, metadata: { run: "node" } });
const listed = [];
for await (const entry of client.chat.completions.list({ metadata: { run: "node" } })) listed.push(entry.id);
assert.deepEqual(listed, [chat.id]);
await client.chat.completions.delete(chat.id);
await client.responses.delete(plain.id);
await assert.rejects(client.responses.retrieve(plain.id), (e) => e instanceof OpenAI.NotFoundError);
console.log("ok stored chats and removal");
