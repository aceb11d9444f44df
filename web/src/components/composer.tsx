import { useRef, useState } from 'preact/hooks';

import { isRunning, send, stop } from '../chat';
import { model } from '../models';
import { SendIcon, StopIcon } from './icons';

export function Composer() {
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const submit = () => {
    if (isRunning.value || !model.value || !text.trim()) return;
    void send(text);
    setText('');
    field.current?.focus();
  };
  return (
    <form class="composer" onSubmit={(event) => { event.preventDefault(); submit(); }}>
      <textarea id="prompt" ref={field} rows={1} value={text} aria-label="Message" placeholder="Ask something"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          // Enter that ends the composition of a character is not meant for us.
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          submit();
        }} />
      {isRunning.value
        ? <button type="button" class="main round" onClick={stop} aria-label="Stop" title="Stop (Esc)"><StopIcon /></button>
        : <button class="main round" disabled={!model.value || !text.trim()} aria-label="Send" title="Send (Enter)"><SendIcon /></button>}
    </form>
  );
}
