import { useState } from 'preact/hooks';

import { CopyIcon, DoneIcon } from './icons';

const SHOWN_MS = 1500;

// The clipboard of a page without TLS, away from this machine, is closed: select, then copy.
async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}

export function CopyButton({ text, label }: { text: string | (() => string); label: string }) {
  const [isDone, setDone] = useState(false);
  const onClick = () => void copy(typeof text === 'string' ? text : text()).then(() => {
    setDone(true);
    setTimeout(() => setDone(false), SHOWN_MS);
  });
  return (
    <button type="button" class="quiet small" onClick={onClick} aria-label={isDone ? 'Copied' : label} title={label}>
      {isDone ? <DoneIcon /> : <CopyIcon />}
    </button>
  );
}
