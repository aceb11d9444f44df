// What a person can try with one click.
import { draft, send } from './chat';
import type { ToolCall } from './events';
import { asJson } from './parameters';
import { changeBoth } from './settings';

const asText = (value: unknown): string => JSON.stringify(value, null, 2);

export const WEATHER_TOOLS = asText([
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Get the current weather in a location',
      parameters: {
        type: 'object',
        properties: { location: { type: 'string', description: 'City name' } },
        required: ['location'],
      },
    },
  },
]);

export const COLOURS_SCHEMA = asText({
  name: 'colours',
  strict: true,
  schema: {
    type: 'object',
    properties: {
      colours: {
        type: 'array',
        minItems: 3,
        maxItems: 3,
        items: {
          type: 'object',
          properties: { name: { type: 'string', maxLength: 20 }, hex: { type: 'string', pattern: '^#[0-9a-f]{6}$' } },
          required: ['name', 'hex'],
          additionalProperties: false,
        },
      },
    },
    required: ['colours'],
    additionalProperties: false,
  },
});

const WEATHER_QUESTION = 'What’s the weather in Tokyo?';
const COLOURS_QUESTION = 'List 3 colours with their hex codes.';

export function useWeatherTools(): void {
  changeBoth({ tools: WEATHER_TOOLS, format: 'text' });
  draft.value = WEATHER_QUESTION;
}
export function useColoursSchema(): void {
  changeBoth({ tools: '', format: 'json_schema', schema: COLOURS_SCHEMA });
  draft.value = COLOURS_QUESTION;
}

export interface Idea {
  name: string;
  begin: () => void;
}

const asking = (text: string): Idea => ({ name: text, begin: () => void send(text) });

export const IDEAS: Idea[] = [
  asking('Explain what a hash table is, with a short example in Python.'),
  asking('Write a haiku about a quiet machine.'),
  { name: 'Call a tool: the weather in Tokyo', begin: () => { useWeatherTools(); draft.value = ''; void send(WEATHER_QUESTION); } },
  { name: 'Answer with JSON: three colours', begin: () => { useColoursSchema(); draft.value = ''; void send(COLOURS_QUESTION); } },
];

/** What a function might answer, where nobody runs it. */
export function simulated(call: ToolCall): string {
  if (call.function.name !== 'get_weather') return asText({ ok: true });
  const { location } = (asJson(call.function.arguments) ?? {}) as { location?: string };
  return asText({ location: location ?? 'Tokyo', temperature_celsius: 18, sky: 'light rain', wind_km_per_hour: 11 });
}
