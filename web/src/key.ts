// The API key: typed in, or handed over by a link that ends in #key=... A fragment never leaves the
// browser, and it is taken off the address bar before anything else happens. Kept for this tab, or
// on request in this browser, for this address alone.
import { signal } from '@preact/signals';

const NAME = 'infe.key:' + new URL('.', location.href).pathname;

export const key = signal(sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? '');
export const isRemembered = () => localStorage.getItem(NAME) !== null;

export function setKey(value: string, options: { remember: boolean }): void {
  key.value = value;
  sessionStorage.removeItem(NAME);
  localStorage.removeItem(NAME);
  if (value) (options.remember ? localStorage : sessionStorage).setItem(NAME, value);
}

/** Whether there was one. */
export function takeKeyFromAddress(): boolean {
  const value = new URLSearchParams(location.hash.slice(1)).get('key');
  if (value === null) return false;
  history.replaceState(null, '', location.pathname + location.search);
  if (value) setKey(value.trim(), { remember: false });
  return value !== '';
}
