// The administration of the server, /v1/organization: what it lists, and what is asked of it. What has
// been read stays until it is read again; another key reads all of it anew.
import { type Signal, effect, signal } from '@preact/signals';

import { ApiError, ask } from '../api';
import { key } from '../key';

export interface Limits {
  requests_per_minute: number;
  tokens_per_minute: number;
  concurrent_requests: number;
  requests_per_day: number;
  tokens_per_day: number;
  tokens_per_month: number;
}
export interface Project {
  id: string;
  name: string;
  created_at: number;
  status: 'active' | 'archived';
}
export interface Key {
  id: string;
  name: string;
  redacted_value: string;
  created_at: number;
  last_used_at: number | null;
  expires_at: number | null;
  scopes: string[];
  limits: Limits;
  models: string[];
  weight: number;
  /** Where it was read. */
  project: string;
}
export type AdminKey = Omit<Key, 'limits' | 'models' | 'weight' | 'project'>;
export interface RateLimit {
  id: string;
  model: string;
  max_requests_per_1_minute: number;
  max_tokens_per_1_minute: number;
  max_requests_per_1_day: number;
}
/** In the place of no limit. */
export const UNLIMITED = 1_000_000_000;

const PAGE = 100;
interface List<T> { data: T[]; has_more: boolean; last_id: string | null }

export const asApiError = (reason: unknown): ApiError =>
  reason instanceof ApiError ? reason : new ApiError(0, String(reason));

export async function askAdmin<T>(path: string, options: Parameters<typeof ask>[1] = {}): Promise<T> {
  return (await (await ask(`organization/${path}`, options)).json()) as T;
}

export async function listPage<T>(path: string, query: Record<string, string> = {}): Promise<List<T>> {
  return askAdmin(`${path}?${new URLSearchParams(query).toString()}`);
}

export async function listAll<T>(path: string, query: Record<string, string> = {}): Promise<T[]> {
  const all: T[] = [];
  for (let after = '';;) {
    const page = await listPage<T>(path, { ...query, limit: String(PAGE), ...(after ? { after } : {}) });
    all.push(...page.data);
    if (!page.has_more || !page.last_id) return all;
    after = page.last_id;
  }
}

/** Something that is read of the server, and what kept it from being read. */
export class Resource<T> {
  readonly value: Signal<T | null> = signal(null);
  readonly error = signal<ApiError | null>(null);
  readonly isLoading = signal(false);
  private turn = 0;

  constructor(private readonly read: () => Promise<T>) {
    effect(() => {
      void key.value;
      this.turn += 1;
      this.value.value = null;
      this.error.value = null;
      this.isLoading.value = false;
    });
  }

  async load(): Promise<void> {
    const turn = ++this.turn;
    this.isLoading.value = true;
    try {
      const value = await this.read();
      if (turn !== this.turn) return;
      this.value.value = value;
      this.error.value = null;
    } catch (reason) {
      if (turn === this.turn) this.error.value = asApiError(reason);
    } finally {
      if (turn === this.turn) this.isLoading.value = false;
    }
  }
}

const path = encodeURIComponent;

export const projects = new Resource(() => listAll<Project>('projects'));
export const keys = new Resource(async () => {
  const all = await listAll<Project>('projects');
  const lists = await Promise.all(all.map(async ({ id }) =>
    (await listAll<Key>(`projects/${path(id)}/api_keys`)).map((one) => ({ ...one, project: id }))));
  return lists.flat();
});
export const adminKeys = new Resource(() => listAll<AdminKey>('admin_api_keys'));
export const rateLimits = (project: string) => listAll<RateLimit>(`projects/${path(project)}/rate_limits`);

export type KeyBody = Partial<Limits> & {
  name?: string; scopes?: string[]; models?: string[]; weight?: number; expires_in_seconds?: number; limits?: Partial<Limits>;
};

/** The text of the new key, which is shown this once. */
export async function makeKey(project: string, body: KeyBody): Promise<string> {
  const made = await askAdmin<{ api_key: { value: string } }>(`projects/${path(project)}/service_accounts`, { body });
  return made.api_key.value;
}
export const changeKey = (one: Key, body: KeyBody) => askAdmin(`projects/${path(one.project)}/api_keys/${path(one.id)}`, { body });
export const revokeKey = (one: Key) => askAdmin(`projects/${path(one.project)}/api_keys/${path(one.id)}`, { method: 'DELETE' });

export async function makeAdminKey(body: KeyBody): Promise<string> {
  return (await askAdmin<{ value: string }>('admin_api_keys', { body })).value;
}
export const revokeAdminKey = (one: AdminKey) => askAdmin(`admin_api_keys/${path(one.id)}`, { method: 'DELETE' });

export const makeProject = (name: string) => askAdmin<Project>('projects', { body: { name } });
export const renameProject = (one: Project, name: string) => askAdmin(`projects/${path(one.id)}`, { body: { name } });
export const archiveProject = (one: Project) => askAdmin(`projects/${path(one.id)}/archive`, { body: {} });
export const changeRateLimit = (project: string, limit: string, body: Partial<RateLimit>) =>
  askAdmin(`projects/${path(project)}/rate_limits/${path(limit)}`, { body });
