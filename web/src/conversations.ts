// The conversations of this browser: which there are, which is open, and that none is lost. An answer
// goes on in its own conversation while another is open.
import { computed, signal } from '@preact/signals';

import { type Conversation, newConversation, pathOf, titleOf } from './conversation';
import { download } from './download';
import { asFile, fromFile } from './exchange_file';
import * as store from './store';

const NAME = 'infe.open:' + new URL('.', location.href).pathname;
// While an answer grows it is kept this often; a browser that dies loses no more.
const SAVE_MS = 1000;

export const conversation = signal<Conversation>(newConversation());
export const path = computed(() => pathOf(conversation.value));
export const heads = signal<store.Head[]>([]);
/** What went wrong with keeping them, for a person. */
export const shelfError = signal('');

// Beside the open one, those with an answer under way.
const others = new Map<string, Conversation>();
const unsaved = new Map<string, Conversation>();
let timer: ReturnType<typeof setTimeout> | undefined;
// Other tabs of this page look at the same shelf.
const tabs = 'BroadcastChannel' in globalThis ? new BroadcastChannel(NAME) : null;
tabs?.addEventListener('message', () => void refresh());

async function refresh(): Promise<void> {
  heads.value = await store.heads();
}

/** What has changed is kept now: at the end of an answer, a person may close the page. */
export async function flush(): Promise<void> {
  clearTimeout(timer);
  timer = undefined;
  const all = [...unsaved.values()];
  unsaved.clear();
  try {
    for (const one of all) await store.save(one);
    shelfError.value = '';
  } catch (reason) {
    shelfError.value = `This conversation could not be kept: ${String(reason)}`;
  }
  await refresh();
  tabs?.postMessage(null);
}

addEventListener('pagehide', () => void flush());

export const find = (id: string): Conversation | undefined => (conversation.value.id === id ? conversation.value : others.get(id));

/** Changes the conversation `id`, open or not, and keeps it soon. */
export function update(id: string, change: (of: Conversation) => Conversation): void {
  const before = find(id);
  if (!before) return;
  const after = { ...change(before), changedAt: Date.now() };
  if (conversation.value.id === id) conversation.value = after;
  else others.set(id, after);
  if (after.leaf === null) return;
  if (before.leaf === null) sessionStorage.setItem(NAME, id);
  unsaved.set(id, after);
  timer ??= setTimeout(() => void flush(), SAVE_MS);
}

function show(next: Conversation): void {
  const before = conversation.value;
  if (before.id !== next.id && before.leaf !== null) others.set(before.id, before);
  others.delete(next.id);
  conversation.value = next;
  if (next.leaf === null) sessionStorage.removeItem(NAME);
  else sessionStorage.setItem(NAME, next.id);
}

export function startOver(): void {
  show(newConversation());
}

export async function open(id: string): Promise<void> {
  const found = find(id) ?? (await store.load(id));
  if (found) show(found);
}

export async function rename(id: string, title: string): Promise<void> {
  if (find(id)) return update(id, (of) => ({ ...of, title })), flush();
  const found = await store.load(id);
  if (!found) return;
  await store.save({ ...found, title });
  await refresh();
}

export async function remove(id: string): Promise<void> {
  unsaved.delete(id);
  others.delete(id);
  if (conversation.value.id === id) show(newConversation());
  others.delete(id);
  await store.remove(id);
  await refresh();
  tabs?.postMessage(null);
}

const asName = (title: string): string => title.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 40) || 'conversation';

export async function exportOne(id: string): Promise<void> {
  await flush();
  const found = find(id) ?? (await store.load(id));
  if (found) download(`${asName(titleOf(found))}.json`, 'application/json', asFile([found]));
}

export async function exportAll(): Promise<void> {
  await flush();
  download('infe-conversations.json', 'application/json', asFile(await store.loadAll()));
}

/** Throws Error with words for a person. The first of them is open then. */
export async function importFile(file: File): Promise<number> {
  const all = fromFile(await file.text());
  for (const one of all) await store.save(one);
  await refresh();
  if (all[0]) await open(all[0].id);
  return all.length;
}

/** What a first look at the shelf finds; the one that was open in this tab is open again. */
export async function openShelf(): Promise<void> {
  await refresh();
  const last = sessionStorage.getItem(NAME);
  if (last !== null && conversation.value.leaf === null) await open(last);
}
