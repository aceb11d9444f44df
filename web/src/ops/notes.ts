import { signal } from '@preact/signals';

/** What a screen reader hears of something that was done. */
export const announcement = signal('');
