// What the server does now and did in the last hour: /metrics every two seconds, its history every
// ten, while the page is seen.
import { computed, signal } from '@preact/signals';

import { ApiError, ask } from '../api';
import { type Samples, parseMetrics, valueOf } from './prometheus';

const LOOK_MS = 2000;
const LOOKS_PER_HISTORY = 5;

export interface Look {
  /** Of performance.now(). */
  at: number;
  samples: Samples;
}
/** Columns of one model, a value a point: docs/operations.md. */
export interface History {
  model: string;
  at: number[];
  [column: string]: (number | null)[] | string;
}

export const look = signal<Look | null>(null);
const before = signal<Look | null>(null);
export const histories = signal<History[]>([]);
export const loadError = signal<ApiError | null>(null);

export const modelNames = computed(() => (look.value?.samples.get('infe_running') ?? []).map(({ labels }) => labels.model!));

export const now = (name: string, labels: Record<string, string> = {}): number | null => valueOf(look.value?.samples ?? null, name, labels);

/** How much a counter grew between the last two looks; null where there were none, or the server is a new one. */
export function growth(name: string, labels: Record<string, string> = {}): number | null {
  const then = valueOf(before.value?.samples ?? null, name, labels);
  const value = now(name, labels);
  return then === null || value === null || value < then ? null : value - then;
}

/** The same by the second. */
export function ratePerSecond(name: string, labels: Record<string, string> = {}): number | null {
  const grown = growth(name, labels);
  return grown === null ? null : 1000 * grown / (look.value!.at - before.value!.at);
}

let looks = 0;
async function lookOnce(): Promise<void> {
  try {
    const samples = parseMetrics(await (await ask('../metrics')).text());
    before.value = look.value;
    look.value = { at: performance.now(), samples };
    if (looks++ % LOOKS_PER_HISTORY === 0)
      histories.value = ((await (await ask('../metrics/history')).json()) as { data: History[] }).data;
    loadError.value = null;
  } catch (reason) {
    loadError.value = reason instanceof ApiError ? reason : new ApiError(0, String(reason));
  }
}

export function watchLoad(): void {
  let isLooking = false;
  const tick = async () => {
    if (document.hidden || isLooking) return;
    isLooking = true;
    await lookOnce();
    isLooking = false;
  };
  setInterval(() => void tick(), LOOK_MS);
  addEventListener('visibilitychange', () => void tick());
  void tick();
}
