// The parse, stream and runTools helpers of the official Node client against a running server.
// Prints one line per claim; any failed claim throws.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.INFE_BASE_URL, apiKey: process.env.INFE_API_KEY, maxRetries: 0 });
const model = "smollm2-135m";
const schema = { type: "object", properties: { city: { type: "string", maxLength: 20 }, days: { type: "integer", minimum: 1, maximum: 7 } },
                 required: ["city", "days"], additionalProperties: false };
const messages = [{ role: "user", content: "A trip to Oslo for 3 days, please." }];
const response_format = { type: "json_schema", json_schema: { name: "trip", strict: true, schema } };

const parsed = await client.chat.completions.parse({ model, messages, seed: 1, response_format });
const trip = parsed.choices[0].message.parsed ?? JSON.parse(parsed.choices[0].message.content);
assert.equal(typeof trip.city, "string");
assert.ok(trip.days >= 1 && trip.days <= 7);
console.log("ok parse");

const stream = client.chat.completions.stream({ model, messages, seed: 1, response_format });
assert.equal((await stream.finalChatCompletion()).choices[0].message.content, parsed.choices[0].message.content);
console.log("ok stream equals parse");

let asked;
const tool = { type: "function", function: { name: "book", description: "Books a trip.", parameters: schema, strict: true,
               parse: JSON.parse, function: (args) => { asked = args; return "booked"; } } };
const runner = client.chat.completions.runTools({ model, messages, seed: 2, max_tokens: 200, tools: [tool],
                                                  tool_choice: { type: "function", function: { name: "book" } } });
await runner.done();
assert.ok(asked.days >= 1 && asked.days <= 7);
console.log("ok runTools");

const custom = client.chat.completions.stream({ model, messages, seed: 3, max_tokens: 60, tool_choice: "required", parallel_tool_calls: false,
                                                tools: [{ type: "function", function: { name: "book", parameters: schema } }] });
const call = (await custom.finalChatCompletion()).choices[0].message.tool_calls[0];
assert.equal(call.function.name, "book");
JSON.parse(call.function.arguments);
console.log("ok tool stream");
