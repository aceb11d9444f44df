// Who used how much, by UTC day: the rows of the ledger, summed by the server.
import { computed, signal } from '@preact/signals';

import { Resource, askAdmin, keys, projects } from './admin';

export const GROUPS = { none: 'in all', key: 'by key', project: 'by project', model: 'by model' };
export type Group = keyof typeof GROUPS;
const FIELDS = { none: null, key: 'api_key_id', project: 'project_id', model: 'model' } as const;

export const MEASURES = { tokens: 'Tokens', prompt: 'Prompt tokens', cached: 'Cached prompt tokens', completion: 'Completion tokens', requests: 'Requests' };
export type Measure = keyof typeof MEASURES;

export interface UsageRow {
  /** Unix seconds, of a UTC midnight. */
  day: number;
  /** What it is grouped by; empty where it is not. */
  of: string;
  requests: number;
  prompt: number;
  cached: number;
  completion: number;
}

interface Result {
  project_id: string | null;
  api_key_id: string | null;
  model: string | null;
  num_model_requests: number;
  input_tokens: number;
  input_cached_tokens: number;
  output_tokens: number;
}
interface Page {
  data: { start_time: number; results: Result[] }[];
  next_page: string | null;
}

const DAY_S = 86_400;
// What a page of the server holds of days.
const DAYS_PER_PAGE = 31;

export const days = signal(30);
export const group = signal<Group>('none');
export const measure = signal<Measure>('tokens');

export const firstDay = (now = Date.now() / 1000): number => Math.floor(now / DAY_S) * DAY_S - (days.value - 1) * DAY_S;

export const usage = new Resource(async () => {
  const rows: UsageRow[] = [];
  const by = FIELDS[group.value];
  const query = new URLSearchParams({ start_time: String(firstDay()), bucket_width: '1d', limit: String(DAYS_PER_PAGE) });
  if (by) query.set('group_by', by);
  for (let page: string | null = null;;) {
    if (page !== null) query.set('page', page);
    const part: Page = await askAdmin(`usage/completions?${query.toString()}`);
    for (const { start_time, results } of part.data)
      for (const one of results)
        rows.push({
          day: start_time, of: by ? (one[by] ?? '') : '', requests: one.num_model_requests,
          prompt: one.input_tokens, cached: one.input_cached_tokens, completion: one.output_tokens,
        });
    page = part.next_page;
    if (page === null) return rows;
  }
});

export const measured = (row: Omit<UsageRow, 'day' | 'of'>): number =>
  (measure.value === 'tokens' ? row.prompt + row.completion : row[measure.value]);

/** For a person, where there is a name. */
export function nameOf(id: string): string {
  switch (group.value) {
    case 'none':
      return 'All';
    case 'key':
      return keys.value.value?.find((one) => one.id === id)?.name ?? id;
    case 'project':
      return projects.value.value?.find((one) => one.id === id)?.name ?? id;
    case 'model':
      return id || 'unknown';
  }
}

/** What each has used in all days, the most first. */
export const totals = computed(() => {
  const sums = new Map<string, UsageRow>();
  for (const row of usage.value.value ?? []) {
    const sum = sums.get(row.of) ?? { day: 0, of: row.of, requests: 0, prompt: 0, cached: 0, completion: 0 };
    sums.set(row.of, {
      ...sum, requests: sum.requests + row.requests, prompt: sum.prompt + row.prompt,
      cached: sum.cached + row.cached, completion: sum.completion + row.completion,
    });
  }
  return [...sums.values()].sort((a, b) => measured(b) - measured(a));
});

// A field that begins as a formula would be taken for one by a spreadsheet.
function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The columns of `infe usage --csv` that there are here, by the same names. */
export function asCsv(): string {
  const column = { none: null, key: 'key_id', project: 'project', model: 'model' }[group.value];
  const head = ['start', ...(column ? [column] : []), 'requests', 'prompt_tokens', 'cached_tokens', 'completion_tokens'];
  const lines = (usage.value.value ?? []).map((row) => [
    new Date(row.day * 1000).toISOString().replace('.000', ''), ...(column ? [csvField(row.of)] : []),
    row.requests, row.prompt, row.cached, row.completion]);
  return [head, ...lines].map((line) => `${line.join(',')}\r\n`).join('');
}
