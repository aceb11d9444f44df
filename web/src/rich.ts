// What makes an answer's text more than text: Markdown, the sanitiser, colours. Most of the page's code,
// and not needed to see the page: it comes behind the first picture, and until then text is text.
import { signal } from '@preact/signals';

type Rich = typeof import('./markdown') & Pick<typeof import('./highlight'), 'highlight'>;

export const rich = signal<Rich | null>(null);

/** Where it cannot be had, text stays text. */
export function loadRich(): void {
  Promise.all([import('./markdown'), import('./highlight')]).then(
    ([markdown, { highlight }]) => { rich.value = { ...markdown, highlight }; }, () => undefined);
}
