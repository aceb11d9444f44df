// Conversations, kept in this browser: the whole ones, and beside them what a list shows. Where the
// browser keeps nothing (a private window, say) they live as long as the page.
import { type Conversation, settled, titleOf } from './conversation';

export interface Head {
  id: string;
  title: string;
  changedAt: number;
}

const NAME = 'infe.conversations:' + new URL('.', location.href).pathname;
const kept = new Map<string, Conversation>();

const database: Promise<IDBDatabase | null> = new Promise((resolve) => {
  try {
    const opening = indexedDB.open(NAME, 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore('heads', { keyPath: 'id' });
      opening.result.createObjectStore('whole', { keyPath: 'id' });
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => resolve(null);
  } catch {
    resolve(null);
  }
});

/** Whether they outlive the page. */
export const isKept = database.then((opened) => opened !== null);

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const headOf = (of: Conversation): Head => ({ id: of.id, title: titleOf(of), changedAt: of.changedAt });

/** Newest first. */
export async function heads(): Promise<Head[]> {
  const opened = await database;
  const all = opened ? await done<Head[]>(opened.transaction('heads').objectStore('heads').getAll()) : [...kept.values()].map(headOf);
  return all.sort((a, b) => b.changedAt - a.changedAt);
}

export async function load(id: string): Promise<Conversation | undefined> {
  const opened = await database;
  const found = opened ? await done<Conversation | undefined>(opened.transaction('whole').objectStore('whole').get(id)) : kept.get(id);
  return found && settled(found);
}

export async function loadAll(): Promise<Conversation[]> {
  const opened = await database;
  return opened ? done<Conversation[]>(opened.transaction('whole').objectStore('whole').getAll()) : [...kept.values()];
}

export async function save(conversation: Conversation): Promise<void> {
  const opened = await database;
  if (!opened) return void kept.set(conversation.id, conversation);
  const both = opened.transaction(['heads', 'whole'], 'readwrite');
  both.objectStore('heads').put(headOf(conversation));
  await done(both.objectStore('whole').put(conversation));
}

export async function remove(id: string): Promise<void> {
  const opened = await database;
  if (!opened) return void kept.delete(id);
  const both = opened.transaction(['heads', 'whole'], 'readwrite');
  both.objectStore('heads').delete(id);
  await done(both.objectStore('whole').delete(id));
}
