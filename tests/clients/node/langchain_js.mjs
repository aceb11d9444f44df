// LangChain.js: ChatOpenAI over chat completions, and over responses.
import assert from "node:assert/strict";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { HELLO, ROOM, TRIP, WEATHER, apiKey, baseURL, claims, model as name, trip, weatherOf, weatherSchema, whole } from "./claims.mjs";

const make = (more = {}) => new ChatOpenAI({ model: name, apiKey, temperature: 0, maxTokens: ROOM, maxRetries: 0, configuration: { baseURL }, ...more });
const model = make();
const tool = { type: "function", function: { name: "get_weather", description: "Get the current weather in a location", parameters: weatherSchema } };
const schema = { title: "trip", type: "object", properties: { city: { type: "string" }, days: { type: "integer" } },
                 required: ["city", "days"], additionalProperties: false };

const stream = async (model) => {
  let text = "";
  for await (const chunk of await model.stream(HELLO)) text += chunk.text;
  assert.equal(whole(text), (await model.invoke(HELLO)).text);
};

const tools = async (model) => {
  const first = await model.bindTools([tool], { tool_choice: "required" }).invoke(WEATHER);
  const call = first.tool_calls[0];
  assert.ok(call.args.location);
  const turns = [new HumanMessage(WEATHER), first, new ToolMessage({ tool_call_id: call.id, content: weatherOf(call.args) })];
  whole((await model.bindTools([tool], { tool_choice: "none" }).invoke(turns)).text);
};

await claims({
  plain: async () => {
    const answer = await model.invoke(HELLO);
    whole(answer.text);
    assert.ok(answer.usage_metadata.output_tokens > 0);
  },
  stream: () => stream(model),
  tools: () => tools(model),
  structured: async () => {
    for (const method of ["jsonSchema", "functionCalling"]) trip(await model.withStructuredOutput(schema, { method }).invoke(TRIP));
  },
  responses: async () => {
    const over = make({ useResponsesApi: true });
    await stream(over);
    await tools(over);
    trip(await over.withStructuredOutput(schema, { method: "jsonSchema" }).invoke(TRIP));
  },
});
