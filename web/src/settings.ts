// What a request says beside its messages: one row per parameter, with its meaning. An empty field
// says nothing, so that the model's own default holds.
import { signal } from '@preact/signals';

import type { Model } from './models';

export interface Parameter {
  name: string;
  label: string;
  meaning: string;
  kind: 'number' | 'integer' | 'lines' | 'choice';
  min?: number;
  max?: number;
  step?: number;
  options?: string[];
  /** Shown where neither the request nor the model says anything. */
  otherwise: string;
}

export const PARAMETERS: Parameter[] = [
  { name: 'temperature', label: 'Temperature', kind: 'number', min: 0, max: 2, step: 0.05, otherwise: '1',
    meaning: 'How freely tokens are drawn. 0 always takes the likeliest.' },
  { name: 'max_completion_tokens', label: 'Longest answer', kind: 'integer', min: 1, step: 1, otherwise: 'the context',
    meaning: 'Tokens after which the answer ends.' },
  { name: 'top_p', label: 'Top p', kind: 'number', min: 0, max: 1, step: 0.01, otherwise: '1',
    meaning: 'Draws from the likeliest tokens that together have this probability.' },
  { name: 'top_k', label: 'Top k', kind: 'integer', min: 0, step: 1, otherwise: 'off',
    meaning: 'Draws from this many of the likeliest tokens. 0 is off.' },
  { name: 'min_p', label: 'Min p', kind: 'number', min: 0, max: 1, step: 0.01, otherwise: '0',
    meaning: 'Drops tokens below this part of the likeliest one’s probability.' },
  { name: 'seed', label: 'Seed', kind: 'integer', step: 1, otherwise: 'drawn anew',
    meaning: 'The same seed and the same request give the same bytes, at any load.' },
  { name: 'stop', label: 'Stop texts', kind: 'lines', otherwise: 'none',
    meaning: 'Up to four, a line each. The answer ends before the first that appears.' },
  { name: 'presence_penalty', label: 'Presence penalty', kind: 'number', min: -2, max: 2, step: 0.1, otherwise: '0',
    meaning: 'Lowers every token that the answer has used.' },
  { name: 'frequency_penalty', label: 'Frequency penalty', kind: 'number', min: -2, max: 2, step: 0.1, otherwise: '0',
    meaning: 'Lowers a token each time that the answer has used it.' },
  { name: 'repetition_penalty', label: 'Repetition penalty', kind: 'number', min: 0.01, step: 0.01, otherwise: '1',
    meaning: 'Divides the odds of tokens of the prompt and the answer. 1 is off.' },
  { name: 'reasoning_effort', label: 'Reasoning', kind: 'choice', otherwise: 'as the model does',
    options: ['none', 'minimal', 'low', 'medium', 'high'],
    meaning: 'How long a model that can think does so before it answers.' },
];

export interface Settings {
  system: string;
  /** As typed, by name. */
  values: Record<string, string>;
}

const NAME = 'infe.settings';

function stored(): Settings {
  try {
    const found = JSON.parse(localStorage.getItem(NAME) ?? '{}') as Partial<Settings>;
    return { system: found.system ?? '', values: found.values ?? {} };
  } catch {
    return { system: '', values: {} };
  }
}

export const settings = signal<Settings>(stored());

export function changeSettings(change: Partial<Settings>): void {
  settings.value = { ...settings.value, ...change };
  localStorage.setItem(NAME, JSON.stringify(settings.value));
}

export function setValue(name: string, value: string): void {
  const values = { ...settings.value.values, [name]: value };
  if (value === '') delete values[name];
  changeSettings({ values });
}

/** What holds for a parameter that is left empty. */
export function fallbackOf(parameter: Parameter, model: Model | undefined): string {
  const own = model?.sampling_defaults?.[parameter.name];
  return own === undefined ? parameter.otherwise : String(own);
}

/** The request's fields. What is no number is sent as it was typed: the server says what is wrong. */
export function asFields(values: Record<string, string>): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const { name, kind } of PARAMETERS) {
    const typed = values[name]?.trim();
    if (!typed) continue;
    if (kind === 'lines') fields[name] = typed.split('\n');
    else if (kind === 'choice') fields[name] = typed;
    else fields[name] = Number.isNaN(Number(typed)) ? typed : Number(typed);
  }
  return fields;
}
