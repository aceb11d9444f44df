// Which models there are, and which one is asked. Also the one place that knows whether the server
// lets us in.
import { computed, signal } from '@preact/signals';

import { ApiError, ask } from './api';

export interface Model {
  id: string;
  context_length?: number;
  parameters?: number;
  architecture?: string;
  quantization?: string;
  tool_format?: string;
  sampling_defaults?: Record<string, number>;
}

const NAME = 'infe.model';

export const models = signal<Model[]>([]);
const wanted = signal(localStorage.getItem(NAME) ?? '');
/** What is wrong with the door: a key is missing or wrong, or nobody answers. */
export const doorError = signal<ApiError | null>(null);
export const isLoading = signal(true);

/** The model that is asked, or undefined while none is known. */
export const model = computed(() => models.value.find((one) => one.id === wanted.value) ?? models.value[0]);

export function chooseModel(id: string): void {
  wanted.value = id;
  localStorage.setItem(NAME, id);
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

const SCALES: [number, string][] = [[1e9, 'B'], [1e6, 'M'], [1e3, 'k']];

function short(count: number): string {
  const [scale, unit] = SCALES.find(([from]) => count >= from) ?? [1, ''];
  const value = count / scale;
  return `${value >= 100 ? value.toFixed(0) : Number(value.toPrecision(2))}${unit}`;
}

/** "135M parameters, Q8_0, 8k context" */
export function factsOf(one: Model): string {
  const facts: string[] = [];
  if (one.parameters) facts.push(`${short(one.parameters)} parameters`);
  if (one.quantization) facts.push(one.quantization);
  if (one.context_length) facts.push(`${one.context_length.toLocaleString('en')} tokens of context`);
  return facts.join(' · ');
}
