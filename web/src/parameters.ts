// What a request says beside its messages: one row per parameter, with its meaning. An empty field
// says nothing, so that the model's own default holds.
import type { Model } from './models';

export type Section = 'common' | 'sampling' | 'request';

export interface Parameter {
  name: string;
  label: string;
  meaning: string;
  section: Section;
  kind: 'number' | 'integer' | 'lines' | 'choice' | 'object';
  options?: string[];
  /** Shown where neither the request nor the model says anything. */
  otherwise: string;
}

export const PARAMETERS: Parameter[] = [
  { name: 'temperature', label: 'Temperature', section: 'common', kind: 'number', otherwise: '1',
    meaning: 'From 0 to 2: how freely tokens are drawn. 0 always takes the likeliest.' },
  { name: 'max_completion_tokens', label: 'Longest answer', section: 'common', kind: 'integer', otherwise: 'the context',
    meaning: 'Tokens after which the answer ends (max_tokens is its older name).' },
  { name: 'seed', label: 'Seed', section: 'common', kind: 'integer', otherwise: 'drawn anew',
    meaning: 'The same seed and the same request give the same bytes, at any load.' },
  { name: 'reasoning_effort', label: 'Reasoning', section: 'common', kind: 'choice', otherwise: 'as the model does',
    options: ['none', 'minimal', 'low', 'medium', 'high'],
    meaning: 'How long a model that can think does so before it answers.' },
  { name: 'top_p', label: 'Top p', section: 'sampling', kind: 'number', otherwise: '1',
    meaning: 'From 0 to 1: draws from the likeliest tokens that together have this probability.' },
  { name: 'top_k', label: 'Top k', section: 'sampling', kind: 'integer', otherwise: 'off',
    meaning: 'Draws from this many of the likeliest tokens. 0 is off.' },
  { name: 'min_p', label: 'Min p', section: 'sampling', kind: 'number', otherwise: '0',
    meaning: 'From 0 to 1: drops tokens below this part of the likeliest one’s probability.' },
  { name: 'presence_penalty', label: 'Presence penalty', section: 'sampling', kind: 'number', otherwise: '0',
    meaning: 'From -2 to 2: lowers every token that the answer has used.' },
  { name: 'frequency_penalty', label: 'Frequency penalty', section: 'sampling', kind: 'number', otherwise: '0',
    meaning: 'From -2 to 2: lowers a token each time that the answer has used it.' },
  { name: 'repetition_penalty', label: 'Repetition penalty', section: 'sampling', kind: 'number', otherwise: '1',
    meaning: 'Divides the odds of tokens of the prompt and the answer. 1 is off.' },
  { name: 'logit_bias', label: 'Logit bias', section: 'sampling', kind: 'object', otherwise: 'none',
    meaning: 'Token ids and what is added to their odds, from -100 to 100: {"1234": -100}.' },
  { name: 'stop', label: 'Stop texts', section: 'sampling', kind: 'lines', otherwise: 'none',
    meaning: 'Up to four, a line each. The answer ends before the first that appears.' },
  { name: 'stream', label: 'Stream', section: 'request', kind: 'choice', otherwise: 'true', options: ['false'],
    meaning: 'Whether the answer comes as it is written, or whole at its end.' },
  { name: 'service_tier', label: 'Service tier', section: 'request', kind: 'choice', otherwise: 'default',
    options: ['auto', 'priority', 'flex'], meaning: 'Who waits for whom when the server is busy.' },
  { name: 'truncation', label: 'Too long a conversation', section: 'request', kind: 'choice', otherwise: 'an error',
    options: ['auto'], meaning: 'auto leaves out the oldest turns where the context is too small.' },
];

/** What holds for a parameter that is left empty. */
export function fallbackOf(parameter: Parameter, model: Model | undefined): string {
  const own = model?.sampling_defaults?.[parameter.name];
  return own === undefined ? parameter.otherwise : String(own);
}

function fieldOf(kind: Parameter['kind'], typed: string): unknown {
  switch (kind) {
    case 'lines':
      return typed.split('\n');
    case 'choice':
      return typed === 'false' ? false : typed;
    case 'object':
      return asJson(typed) ?? typed;
    case 'number':
    case 'integer':
      return Number.isNaN(Number(typed)) ? typed : Number(typed);
  }
}

/** Undefined where it is none. */
export function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The request's fields. What is no number is sent as it was typed: the server says what is wrong. */
export function asFields(values: Record<string, string>): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const { name, kind } of PARAMETERS) {
    const typed = values[name]?.trim();
    if (typed) fields[name] = fieldOf(kind, typed);
  }
  return fields;
}
