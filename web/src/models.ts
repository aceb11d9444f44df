// Which models there are, and which are asked. Also the one place that knows whether the server lets
// us in.
import { computed, signal } from '@preact/signals';

import { ApiError, ask } from './api';
import { type Side, changeSettings, settings, settingsOf } from './settings';

export interface Model {
  id: string;
  context_length?: number;
  parameters?: number;
  file_bytes?: number;
  architecture?: string;
  quantization?: string;
  tool_format?: string;
  sampling_defaults?: Record<string, number>;
}

export const models = signal<Model[]>([]);
/** What is wrong with the door: a key is missing or wrong, or nobody answers. */
export const doorError = signal<ApiError | null>(null);
export const isLoading = signal(true);

const named = (id: string): Model | undefined => models.value.find((one) => one.id === id) ?? models.value[0];

/** The model that is asked, or undefined while none is known. */
export const modelOf = (side: Side): Model | undefined => named(settingsOf(side).model);
/** Of the side whose settings are edited. */
export const model = computed(() => named(settings.value.model));

export function chooseModel(id: string): void {
  changeSettings({ model: id });
}

export async function loadModels(): Promise<void> {
  isLoading.value = true;
  try {
    const list = (await (await ask('models')).json()) as { data: Model[] };
    models.value = list.data;
    doorError.value = null;
  } catch (reason) {
    doorError.value = reason instanceof ApiError ? reason : new ApiError(0, String(reason));
  } finally {
    isLoading.value = false;
  }
}

const COUNTS: [number, string][] = [[1e9, 'B'], [1e6, 'M'], [1e3, 'k']];
const BYTES: [number, string][] = [[2 ** 30, ' GiB'], [2 ** 20, ' MiB'], [2 ** 10, ' KiB']];

function short(count: number, scales: [number, string][]): string {
  const [scale, unit] = scales.find(([from]) => count >= from) ?? [1, ''];
  const value = count / scale;
  return `${value >= 100 ? value.toFixed(0) : Number(value.toPrecision(2))}${unit}`;
}

/** What is known of a model, a line each: [name, value]. */
export function factsOf(one: Model): [string, string][] {
  const facts: [string, string][] = [];
  if (one.parameters) facts.push(['Parameters', short(one.parameters, COUNTS)]);
  if (one.context_length) facts.push(['Context', `${one.context_length.toLocaleString('en')} tokens`]);
  if (one.file_bytes) facts.push(['Memory of its weights', `about ${short(one.file_bytes, BYTES)}`]);
  if (one.quantization) facts.push(['Quantisation', one.quantization]);
  if (one.architecture) facts.push(['Architecture', one.architecture]);
  const defaults = Object.entries(one.sampling_defaults ?? {});
  facts.push(['Defaults', defaults.length ? defaults.map(([name, value]) => `${name} ${value}`).join(', ') : 'those of the API']);
  return facts;
}

/** The same in a line. */
export function lineOf(one: Model): string {
  const parts: string[] = [];
  if (one.parameters) parts.push(`${short(one.parameters, COUNTS)} parameters`);
  if (one.quantization) parts.push(one.quantization);
  if (one.context_length) parts.push(`${one.context_length.toLocaleString('en')} tokens of context`);
  return parts.join(' · ');
}
