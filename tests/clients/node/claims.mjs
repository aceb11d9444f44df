// What the Node clients' scripts share: where the server is, the questions, and claims. One line per
// claim, "ok NAME" or "failed NAME: why"; the exit code is 1 if any failed.
import assert from "node:assert/strict";

export const baseURL = process.env.INFE_BASE_URL;
export const rootURL = baseURL.replace(/\/v1$/, "");
export const apiKey = process.env.INFE_API_KEY;
export const model = process.env.INFE_MODEL;

// Tokens of an answer. A small model may go round in a circle, and without a bound it does so until its
// context is full.
export const ROOM = 200;

export const HELLO = "Say hello to the world in one short sentence.";
export const WEATHER = "What's the weather in Tokyo?";
export const TRIP = "Extract the trip: we go to Oslo for 3 days.";
export const weatherOf = ({ location }) => `Sunny, 21 degrees in ${location}`;
export const weatherSchema = { type: "object", properties: { location: { type: "string", description: "City name" } }, required: ["location"] };

export const whole = (text) => {
  assert.ok(typeof text === "string" && text.trim(), JSON.stringify(text));
  for (const marker of ["<|im_end|>", "<tool_call>", "<think>"]) assert.ok(!text.includes(marker), text);
  return text;
};
export const trip = (value) => assert.ok(value.city && Number.isInteger(value.days), JSON.stringify(value));

export async function claims(functions) {
  for (const [name, check] of Object.entries(functions)) {
    if (process.argv.length > 2 && !process.argv.includes(name)) continue;
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      process.exitCode = 1;
      console.error(error);
      console.log(`failed ${name}: ${String(error).replace(/\s+/g, " ").slice(0, 300)}`);
    }
  }
}
