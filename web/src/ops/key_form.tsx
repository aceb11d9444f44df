// What an owner decides about a key: to make one, or to change one. An empty limit is none.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import type { ApiError } from '../api';
import { Dialog } from '../components/dialog';
import { type Key, type KeyBody, type Limits, asApiError, changeKey, makeAdminKey, makeKey, projects } from './admin';
import { Trouble } from './door';
import { modelNames } from './load';

const SCOPES: [string, string][] = [
  ['chat', 'chat and text completions'], ['responses', '/v1/responses'], ['messages', '/v1/messages'],
  ['embeddings', '/v1/embeddings, /v1/rerank'],
  ['models.read', 'the list of models'], ['usage.read', 'the usage of its own project'],
];
const ADMIN_SCOPES: [string, string][] = [
  ['admin.keys', 'keys, projects and limits'], ['admin.usage', 'everybody’s usage'], ['admin.server', 'the audit log'],
];
const LIMITS: [keyof Limits, string][] = [
  ['requests_per_minute', 'Requests a minute'], ['tokens_per_minute', 'Tokens a minute'], ['concurrent_requests', 'Requests at once'],
  ['requests_per_day', 'Requests a day'], ['tokens_per_day', 'Tokens a day'], ['tokens_per_month', 'Tokens a month'],
];
const DAY_S = 86_400;

type Numbers = Record<keyof Limits, string>;
const numbersOf = (limits?: Limits): Numbers =>
  Object.fromEntries(LIMITS.map(([name]) => [name, limits?.[name] ? String(limits[name]) : ''])) as Numbers;

function Choice({ of, chosen, onChange }: { of: [string, string]; chosen: string[]; onChange: (chosen: string[]) => void }) {
  const [id, meaning] = of;
  return (
    <label class="check">
      <input type="checkbox" checked={chosen.includes(id)}
        onChange={(event) => onChange(event.currentTarget.checked ? [...chosen, id] : chosen.filter((one) => one !== id))} />
      <span><code>{id}</code>{meaning && ` ${meaning}`}</span>
    </label>
  );
}

function NumberField({ name, label, value, hint, onInput }: {
  name: string; label: string; value: string; hint?: string; onInput: (value: string) => void;
}) {
  return (
    <label class="field">
      <span>{label}</span>
      <input name={name} type="number" min="0" step="any" inputMode="numeric" placeholder={hint ?? 'no limit'} value={value} onInput={(event) => onInput(event.currentTarget.value)} />
    </label>
  );
}

/** The form around the fields; what the server refuses is said in it. */
function Form({ title, act, onSubmit, onClose, children }: {
  title: string; act: string; onSubmit: () => Promise<void>; onClose: () => void; children: ComponentChildren;
}) {
  const [error, setError] = useState<ApiError | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onSubmit();
    } catch (reason) {
      setError(asApiError(reason));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        {children}
        <Trouble error={error} />
        <p class="actions">
          <button type="button" onClick={onClose}>Cancel</button>
          <button class="main" disabled={isBusy}>{act}</button>
        </p>
      </form>
    </Dialog>
  );
}

interface KeyFormProps {
  /** The one that is changed; else one is made. */
  of?: Key;
  onMade?: (name: string, text: string) => void;
  onChanged?: () => void;
  onClose: () => void;
}

export function KeyForm({ of, onMade, onChanged, onClose }: KeyFormProps) {
  const active = (projects.value.value ?? []).filter(({ status }) => status === 'active');
  const [name, setName] = useState(of?.name ?? '');
  const [project, setProject] = useState(of?.project ?? active[0]?.id ?? 'default');
  const [scopes, setScopes] = useState(of?.scopes ?? SCOPES.map(([id]) => id));
  const [models, setModels] = useState(of?.models ?? []);
  const [numbers, setNumbers] = useState(numbersOf(of?.limits));
  const [weight, setWeight] = useState(String(of?.weight ?? 1));
  const [days, setDays] = useState('');
  // Of an older choice that is not served now as well: it must be possible to see and to keep it.
  const known = [...new Set([...modelNames.value, ...models])];

  const onSubmit = async () => {
    const limits = Object.fromEntries(LIMITS.map(([id]) => [id, Number(numbers[id] || 0)])) as unknown as Limits;
    const before = of ? { name: of.name, scopes: of.scopes, models: of.models, weight: of.weight } : null;
    const wanted = { name, scopes, models, weight: Number(weight || 1) };
    // Of a key that is changed, only what is another: the audit log tells what was asked for.
    const body: KeyBody = Object.fromEntries(Object.entries(wanted).filter(([field, value]) =>
      !before || JSON.stringify(value) !== JSON.stringify(before[field as keyof typeof before])));
    const changed = LIMITS.filter(([id]) => limits[id] !== (of?.limits[id] ?? 0)).map(([id]) => [id, limits[id]]);
    if (changed.length > 0) body.limits = Object.fromEntries(changed) as Partial<Limits>;
    if (days) body.expires_in_seconds = Math.round(Number(days) * DAY_S);
    if (!of) {
      onMade!(name, await makeKey(project, body));
      return;
    }
    if (Object.keys(body).length > 0) await changeKey(of, body);
    onClose();
    onChanged!();
  };
  return (
    <Form title={of ? `Change ${of.name}` : 'New key'} act={of ? 'Change' : 'Make the key'} onSubmit={onSubmit} onClose={onClose}>
      <label class="field"><span>Name</span><input required autofocus maxLength={200} value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
      {!of && (
        <label class="field"><span>Project</span>
          <select value={project} onChange={(event) => setProject(event.currentTarget.value)}>
            {active.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
          </select>
        </label>
      )}
      <fieldset>
        <legend>Limits</legend>
        <div class="fields">
          {LIMITS.map(([id, label]) => <NumberField key={id} name={id} label={label} value={numbers[id]} onInput={(value) => setNumbers({ ...numbers, [id]: value })} />)}
          <NumberField name="weight" label="Fair share" hint="1" value={weight} onInput={setWeight} />
          <NumberField name="days" label="Ends in days" hint={of?.expires_at ? 'as it is' : 'never'} value={days} onInput={setDays} />
        </div>
      </fieldset>
      <fieldset>
        <legend>May ask for</legend>
        {SCOPES.map((one) => <Choice key={one[0]} of={one} chosen={scopes} onChange={setScopes} />)}
      </fieldset>
      {known.length > 0 && (
        <fieldset>
          <legend>Models (none chosen: all)</legend>
          {known.map((id) => <Choice key={id} of={[id, '']} chosen={models} onChange={setModels} />)}
        </fieldset>
      )}
    </Form>
  );
}

export function AdminKeyForm({ onMade, onClose }: { onMade: (name: string, text: string) => void; onClose: () => void }) {
  const [name, setName] = useState('');
  const [days, setDays] = useState('');
  const [scopes, setScopes] = useState(ADMIN_SCOPES.map(([id]) => id));
  const onSubmit = async () =>
    onMade(name, await makeAdminKey({ name, scopes, ...(days ? { expires_in_seconds: Math.round(Number(days) * DAY_S) } : {}) }));
  return (
    <Form title="New admin key" act="Make the key" onSubmit={onSubmit} onClose={onClose}>
      <label class="field"><span>Name</span><input required autofocus maxLength={200} value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
      <fieldset>
        <legend>May administer</legend>
        {ADMIN_SCOPES.map((one) => <Choice key={one[0]} of={one} chosen={scopes} onChange={setScopes} />)}
      </fieldset>
      <NumberField name="days" label="Ends in days" hint="never" value={days} onInput={setDays} />
    </Form>
  );
}
