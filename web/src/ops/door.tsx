// In front of what needs an admin key: the place to type it in, and the server's words where it was
// none or may not do this.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import type { ApiError } from '../api';
import { isRemembered, key, setKey } from '../key';
import type { Resource } from './admin';

function KeyForm({ error }: { error: ApiError | null }) {
  const [text, setText] = useState(key.value);
  const [remember, setRemember] = useState(isRemembered());
  return (
    <form class="door card" onSubmit={(event) => { event.preventDefault(); setKey(text.trim(), { remember }); }}>
      <h2>Admin key</h2>
      <p>It stays in this browser and is sent to this server alone. Make one with <code>infe keys create --admin --name NAME</code>.</p>
      <label class="field">
        <span>Key</span>
        <input type="password" autocomplete="off" spellcheck={false} placeholder="sk-infe-admin-..." required value={text}
          aria-invalid={error !== null} aria-describedby={error ? 'door-error' : undefined}
          onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <label class="check">
        <input type="checkbox" checked={remember} onChange={(event) => setRemember(event.currentTarget.checked)} />
        Keep it after this tab is closed
      </label>
      {error && <p class="trouble" id="door-error" role="alert">{error.message}</p>}
      <p class="actions"><button class="main">Use this key</button></p>
    </form>
  );
}

export const Trouble = ({ error }: { error: ApiError | null }) =>
  error && <p class="trouble" role="alert">{error.message}{error.param && <> (<code>{error.param}</code>)</>}</p>;

/** Reads `of` whenever the key is another one, and shows `children` once it is there. */
export function Guarded<T>({ of, children }: { of: Resource<T>; children: (value: T) => ComponentChildren }) {
  useEffect(() => {
    if (key.value) void of.load();
  }, [key.value]);
  const error = of.error.value;
  const value = of.value.value;
  if (!key.value || error?.status === 401 || error?.status === 403) return <KeyForm key={error?.message} error={key.value ? error : null} />;
  return (
    <>
      <Trouble error={error} />
      {value !== null && children(value)}
      {value === null && !error && <p class="note">One moment.</p>}
    </>
  );
}
