// Which part of the page is seen: its name is the address's fragment, so that a part has a link.
import { signal } from '@preact/signals';

export const VIEWS = { load: 'Load', usage: 'Usage', keys: 'Keys', projects: 'Projects', audit: 'Audit log', models: 'Models' };
export type View = keyof typeof VIEWS;

export const view = signal<View>('load');

export function takeViewFromAddress(): void {
  const name = location.hash.slice(1);
  if (name in VIEWS) view.value = name as View;
  else if (name === '') view.value = 'load';
}
