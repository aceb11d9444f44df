// What is said with each request, as it was typed: for the answer, and for the one at its side where
// two are compared. Kept in this browser.
import { computed, signal } from '@preact/signals';

import { ApiError } from './api';
import type { Asked } from './conversation';
import { asFields } from './parameters';

export type Format = 'text' | 'json_object' | 'json_schema';

export interface Settings {
  /** Empty: the first that is served. */
  model: string;
  system: string;
  /** Of the person who writes: messages[].name. */
  name: string;
  /** Of parameters, by name. */
  values: Record<string, string>;
  /** JSON text, empty for none. */
  tools: string;
  toolChoice: string;
  format: Format;
  /** JSON text of what stands under response_format.json_schema. */
  schema: string;
  /** JSON text of an object: fields of the request that have no field here. */
  more: string;
  /** Of each token, how many others are told with their probability; -1: none is. */
  alternatives: number;
}

const NOTHING: Settings = {
  model: '', system: '', name: '', values: {}, tools: '', toolChoice: '', format: 'text', schema: '', more: '', alternatives: -1,
};

export type Side = 'left' | 'right';
const NAMES: Record<Side, string> = { left: 'infe.settings', right: 'infe.settings.right' };
const SIDE_BY_SIDE = 'infe.side-by-side';

function stored(side: Side): Settings {
  try {
    return { ...NOTHING, ...(JSON.parse(localStorage.getItem(NAMES[side]) ?? '{}') as Partial<Settings>) };
  } catch {
    return NOTHING;
  }
}

const sides = { left: signal(stored('left')), right: signal(stored('right')) };
export const isSideBySide = signal(localStorage.getItem(SIDE_BY_SIDE) !== null);
const edited = signal<Side>('left');

/** Which of the two the fields are about. */
export const editedSide = computed<Side>(() => (isSideBySide.value ? edited.value : 'left'));
export const settings = computed(() => sides[editedSide.value].value);
export const settingsOf = (side: Side): Settings => sides[side].value;

export function editSide(side: Side): void {
  edited.value = side;
}

function put(side: Side, value: Settings): void {
  sides[side].value = value;
  localStorage.setItem(NAMES[side], JSON.stringify(value));
}

export function changeSettings(change: Partial<Settings>, side: Side = editedSide.value): void {
  put(side, { ...sides[side].value, ...change });
}

/** On both sides, where there are two: what an example needs. */
export function changeBoth(change: Partial<Settings>): void {
  changeSettings(change, 'left');
  if (isSideBySide.value) changeSettings(change, 'right');
}

export function setValue(name: string, value: string): void {
  const values = { ...settings.value.values, [name]: value };
  if (value === '') delete values[name];
  changeSettings({ values });
}

export function resetSettings(): void {
  put(editedSide.value, { ...NOTHING, model: settings.value.model });
}

/** The right side begins as the left one is, with `model` where there is another. */
export function compare(model: string | undefined): void {
  put('right', { ...sides.left.value, model: model ?? sides.left.value.model });
  isSideBySide.value = true;
  edited.value = 'right';
  localStorage.setItem(SIDE_BY_SIDE, 'yes');
}

export function compareNoMore(): void {
  isSideBySide.value = false;
  edited.value = 'left';
  localStorage.removeItem(SIDE_BY_SIDE);
}

/** Throws ApiError of status 0: what is no JSON cannot be sent, so the server cannot say so. */
function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (reason) {
    throw new ApiError(0, `This is no JSON: ${(reason as Error).message}`, where);
  }
}

export function toolFields({ tools, toolChoice }: Settings): Record<string, unknown> {
  if (!tools.trim()) return {};
  return { tools: parsed(tools, 'tools'), ...(toolChoice ? { tool_choice: toolChoice } : {}) };
}

export function formatFields({ format, schema }: Settings): Record<string, unknown> {
  switch (format) {
    case 'text':
      return {};
    case 'json_object':
      return { response_format: { type: format } };
    case 'json_schema':
      return { response_format: { type: format, json_schema: parsed(schema, 'response_format') } };
  }
}

/** Throws ApiError. */
export function askedBy(one: Settings, model: string): Asked {
  const scores = one.alternatives < 0 ? {} : { logprobs: true, top_logprobs: one.alternatives };
  const more = one.more.trim() ? (parsed(one.more, 'more fields') as Record<string, unknown>) : {};
  const fields: Record<string, unknown> = { ...asFields(one.values), ...scores, ...toolFields(one), ...formatFields(one), ...more };
  const isStream = fields.stream !== false;
  return {
    model, system: one.system,
    fields: { ...fields, stream: isStream, ...(isStream ? { stream_options: { include_usage: true } } : {}) },
  };
}
