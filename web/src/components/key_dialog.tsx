import { useEffect, useRef, useState } from 'preact/hooks';

import { isRemembered, key, setKey } from '../key';
import { doorError, loadModels } from '../models';

export function KeyDialog({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState(key.value);
  const [remember, setRemember] = useState(isRemembered());
  const [isAsking, setAsking] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setKey(text.trim(), { remember });
    setAsking(true);
    await loadModels();
    setAsking(false);
    if (!doorError.value) dialog.current?.close();
  };
  const error = doorError.value;
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="key-title">
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="key-title">API key</h2>
        <p>It stays in this browser and is sent to this server alone. Make one with <code>infe keys create --name NAME</code>.</p>
        <label class="field">
          <span>Key</span>
          <input type="password" autocomplete="off" spellcheck={false} placeholder="sk-..." value={text}
            aria-invalid={error !== null} aria-describedby={error ? 'key-error' : undefined}
            onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input type="checkbox" checked={remember} onChange={(event) => setRemember(event.currentTarget.checked)} />
          Keep it after this tab is closed
        </label>
        {error && !isAsking && <p class="trouble" id="key-error" role="alert">{error.message}</p>}
        <p class="actions">
          <button type="button" onClick={() => dialog.current?.close()}>Cancel</button>
          <button class="main" disabled={isAsking}>Use this key</button>
        </p>
      </form>
    </dialog>
  );
}
