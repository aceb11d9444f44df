// Light, dark, or what the system says.
import { signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const NAME = 'infe.theme';
const stored = localStorage.getItem(NAME);

export const theme = signal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'auto');

export function applyTheme(): void {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

export function nextTheme(): void {
  theme.value = theme.value === 'auto' ? 'light' : theme.value === 'light' ? 'dark' : 'auto';
  if (theme.value === 'auto') localStorage.removeItem(NAME);
  else localStorage.setItem(NAME, theme.value);
  applyTheme();
}
