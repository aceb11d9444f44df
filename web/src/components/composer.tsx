import { useEffect, useRef } from 'preact/hooks';

import { draft, send } from '../chat';
import { modelOf } from '../models';
import { asJson } from '../parameters';
import { isRunning, stop } from '../reading';
import { changeBoth, compareNoMore, isSideBySide, settingsOf } from '../settings';
import { CloseIcon, SendIcon, StopIcon } from './icons';

function Chip({ name, onRemove }: { name: string; onRemove: () => void }) {
  return <li>{name}<button type="button" class="quiet small" onClick={onRemove} aria-label={`Without: ${name}`}><CloseIcon /></button></li>;
}

// What goes along with each message, so that nobody is surprised by settings of yesterday.
function Chips() {
  const { tools, format } = settingsOf('left');
  const list = tools.trim() ? asJson(tools) : undefined;
  return (
    <ul class="chips" aria-label="Sent along">
      {tools.trim() && <Chip name={Array.isArray(list) ? `${list.length} ${list.length === 1 ? 'tool' : 'tools'}` : 'tools'} onRemove={() => changeBoth({ tools: '' })} />}
      {format !== 'text' && <Chip name={format === 'json_object' ? 'JSON' : 'JSON schema'} onRemove={() => changeBoth({ format: 'text' })} />}
      {isSideBySide.value && <Chip name="side by side" onRemove={compareNoMore} />}
    </ul>
  );
}

export function Composer() {
  const field = useRef<HTMLTextAreaElement>(null);
  const text = draft.value;
  const canSend = !isRunning.value && modelOf('left') !== undefined && text.trim() !== '';
  useEffect(() => { if (draft.value) field.current?.focus(); }, []);
  const submit = () => {
    if (!canSend) return;
    void send(text);
    draft.value = '';
    field.current?.focus();
  };
  return (
    <div class="foot">
      <Chips />
      <form class="composer" onSubmit={(event) => { event.preventDefault(); submit(); }}>
        <textarea id="prompt" ref={field} rows={1} value={text} aria-label="Message" placeholder="Ask something"
          onInput={(event) => { draft.value = event.currentTarget.value; }}
          onKeyDown={(event) => {
            // Enter that ends the composition of a character is not meant for us.
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            submit();
          }} />
        {isRunning.value
          ? <button type="button" class="main round" onClick={stop} aria-label="Stop" title="Stop (Esc)"><StopIcon /></button>
          : <button class="main round" disabled={!canSend} aria-label="Send" title="Send (Enter)"><SendIcon /></button>}
      </form>
    </div>
  );
}
