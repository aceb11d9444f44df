// Vercel's AI SDK: its provider for compatible servers (chat completions), and `openai()`, whose default
// is the Responses API.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import * as ai from "ai";
import { z } from "zod";
import { HELLO, ROOM, TRIP, WEATHER, apiKey, baseURL, claims, model as name, trip, weatherOf, whole } from "./claims.mjs";

// Without supportsStructuredOutputs the SDK sends no schema, only json_object.
const compatible = createOpenAICompatible({ name: "infe", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true });
const openai = createOpenAI({ baseURL, apiKey });
const shared = (model) => ({ model, maxRetries: 0, temperature: 0, maxOutputTokens: ROOM });
const tripShape = z.object({ city: z.string(), days: z.number().int() });

const plain = async (model) => {
  const { text, usage, finishReason } = await ai.generateText({ ...shared(model), prompt: HELLO });
  whole(text);
  assert.equal(finishReason, "stop");
  assert.ok(usage.totalTokens > 0);
  return text;
};

const stream = async (model) => {
  const result = ai.streamText({ ...shared(model), prompt: HELLO });
  let text = "";
  for await (const part of result.textStream) text += part;
  assert.equal(text, await plain(model));
  assert.ok((await result.usage).totalTokens > 0);
};

const tools = async (model) => {
  const asked = [];
  const get_weather = ai.tool({
    description: "Get the current weather in a location",
    inputSchema: z.object({ location: z.string() }),
    execute: async (input) => (asked.push(input), weatherOf(input)),
  });
  // The first step must call, the second must answer: the history with the call goes back.
  const prepareStep = ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" });
  const result = await ai.generateText({ ...shared(model), prompt: WEATHER, tools: { get_weather }, prepareStep, stopWhen: ai.isStepCount(2) });
  assert.ok(asked[0].location);
  assert.equal(result.steps.length, 2);
  whole(result.text);
  const streamed = ai.streamText({ ...shared(model), prompt: WEATHER, tools: { get_weather }, toolChoice: "required", stopWhen: ai.isStepCount(1) });
  assert.equal((await streamed.toolCalls)[0].toolName, "get_weather");
};

const structured = async (model) => {
  trip((await ai.generateText({ ...shared(model), prompt: TRIP, output: ai.Output.object({ schema: tripShape }) })).output);
  const streamed = ai.streamText({ ...shared(model), prompt: TRIP, output: ai.Output.object({ schema: tripShape }) });
  await streamed.consumeStream();
  trip(await streamed.output);
};

await claims({
  plain: () => plain(compatible(name)),
  stream: () => stream(compatible(name)),
  tools: () => tools(compatible(name)),
  structured: () => structured(compatible(name)),
  responses_plain: () => plain(openai(name)),
  responses_stream: () => stream(openai(name)),
  responses_tools: () => tools(openai(name)),
  responses_structured: () => structured(openai(name)),
});
