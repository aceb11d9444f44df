// Keys: who may ask for what and how much. Made, changed and revoked through the administration.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { CopyButton } from '../components/copy_button';
import { Dialog } from '../components/dialog';
import { type ApiError } from '../api';
import { key as ownKey } from '../key';
import { type AdminKey, type Key, type Limits, adminKeys, asApiError, keys, projects, revokeAdminKey, revokeKey } from './admin';
import { Guarded, Trouble } from './door';
import { NOTHING, count, time } from './format';
import { AdminKeyForm, KeyForm } from './key_form';
import { announcement } from './notes';

const LIMIT_WORDS: [keyof Limits, string][] = [
  ['requests_per_minute', 'requests/min'], ['tokens_per_minute', 'tokens/min'], ['concurrent_requests', 'at once'],
  ['requests_per_day', 'requests/day'], ['tokens_per_day', 'tokens/day'], ['tokens_per_month', 'tokens/month'],
];

const limitsOf = (limits: Limits): string[] =>
  LIMIT_WORDS.filter(([name]) => limits[name] > 0).map(([name, word]) => `${count(limits[name])} ${word}`);

/** A question before what cannot be undone. */
export function Confirm({ title, act, children, onAct, onClose }: {
  title: string; act: string; children: ComponentChildren; onAct: () => Promise<void>; onClose: () => void;
}) {
  const [error, setError] = useState<ApiError | null>(null);
  const [isBusy, setBusy] = useState(false);
  const onClick = async () => {
    setBusy(true);
    try {
      await onAct();
      onClose();
    } catch (reason) {
      setError(asApiError(reason));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <Trouble error={error} />
      <p class="actions">
        <button type="button" autofocus onClick={onClose}>Cancel</button>
        <button type="button" class="main danger" disabled={isBusy} onClick={() => void onClick()}>{act}</button>
      </p>
    </Dialog>
  );
}

/** A key's text, which nobody can show again. */
function NewKey({ name, text, onClose }: { name: string; text: string; onClose: () => void }) {
  return (
    <Dialog title={`The key ${name}`} onClose={onClose}>
      <p>It is shown this once: copy it now.</p>
      <p class="new-key"><code>{text}</code><CopyButton text={text} label="Copy the key" /></p>
      <p class="actions"><button type="button" class="main" onClick={onClose}>Done</button></p>
    </Dialog>
  );
}

type Open =
  | { what: 'make' } | { what: 'make admin' }
  | { what: 'change'; of: Key } | { what: 'revoke'; of: Key } | { what: 'revoke admin'; of: AdminKey }
  | { what: 'made'; name: string; text: string };

function Dialogs({ open, setOpen }: { open: Open | null; setOpen: (open: Open | null) => void }) {
  const onClose = () => setOpen(null);
  const after = async (said: string) => {
    announcement.value = said;
    await Promise.all([keys.load(), adminKeys.load()]);
  };
  const onMade = (name: string, text: string) => {
    setOpen({ what: 'made', name, text });
    void after(`The key ${name} is made.`);
  };
  switch (open?.what) {
    case undefined:
      return null;
    case 'make':
      return <KeyForm onMade={onMade} onClose={onClose} />;
    case 'make admin':
      return <AdminKeyForm onMade={onMade} onClose={onClose} />;
    case 'made':
      return <NewKey name={open.name} text={open.text} onClose={onClose} />;
    case 'change':
      return <KeyForm of={open.of} onChanged={() => void after(`The key ${open.of.name} is changed.`)} onClose={onClose} />;
    case 'revoke':
      return (
        <Confirm title={`Revoke ${open.of.name}?`} act="Revoke" onClose={onClose}
          onAct={async () => { await revokeKey(open.of); void after(`The key ${open.of.name} is revoked.`); }}>
          <p>Requests with <code>{open.of.redacted_value}</code> are refused within a second. It cannot be brought back.</p>
        </Confirm>
      );
    case 'revoke admin':
      return (
        <Confirm title={`Revoke ${open.of.name}?`} act="Revoke" onClose={onClose}
          onAct={async () => { await revokeAdminKey(open.of); void after(`The admin key ${open.of.name} is revoked.`); }}>
          <p>Administration with <code>{open.of.redacted_value}</code> ends within a second{ownKey.value.endsWith(open.of.redacted_value.slice(-4)) && ', this page’s too, if it is the one that it uses'}.</p>
        </Confirm>
      );
  }
}

function Row({ of, onOpen }: { of: Key; onOpen: (open: Open) => void }) {
  const limits = limitsOf(of.limits);
  return (
    <tr>
      <th scope="row">{of.name}<small><code>{of.redacted_value}</code></small></th>
      <td data-name="Project">{projects.value.value?.find(({ id }) => id === of.project)?.name ?? of.project}</td>
      <td data-name="Limits">{limits.length === 0 ? 'none' : limits.map((one) => <span class="line" key={one}>{one}</span>)}</td>
      <td data-name="May">{of.scopes.join(', ')}{of.models.length > 0 && <small>only {of.models.join(', ')}</small>}</td>
      <td data-name="Last used">{time(of.last_used_at)}</td>
      <td data-name="Ends">{of.expires_at ? time(of.expires_at) : 'never'}</td>
      <td class="acts">
        <button type="button" class="small" aria-label={`Change ${of.name}`} onClick={() => onOpen({ what: 'change', of })}>Change</button>
        <button type="button" class="small" aria-label={`Revoke ${of.name}`} onClick={() => onOpen({ what: 'revoke', of })}>Revoke</button>
      </td>
    </tr>
  );
}

function AdminRow({ of, onOpen }: { of: AdminKey; onOpen: (open: Open) => void }) {
  return (
    <tr>
      <th scope="row">{of.name}<small><code>{of.redacted_value}</code></small></th>
      <td data-name="May">{of.scopes.join(', ')}</td>
      <td data-name="Last used">{of.last_used_at ? time(of.last_used_at) : NOTHING}</td>
      <td data-name="Ends">{of.expires_at ? time(of.expires_at) : 'never'}</td>
      <td class="acts"><button type="button" class="small" aria-label={`Revoke ${of.name}`} onClick={() => onOpen({ what: 'revoke admin', of })}>Revoke</button></td>
    </tr>
  );
}

export function KeysView() {
  const [open, setOpen] = useState<Open | null>(null);
  useEffect(() => {
    if (ownKey.value) void Promise.all([projects.load(), adminKeys.load()]);
  }, [ownKey.value]);
  return (
    <Guarded of={keys}>
      {(list) => (
        <>
          <div class="sheet" tabIndex={0} role="region" aria-label="Keys">
            <table class="words">
              <caption><div class="bar-of-choices"><h2>Keys</h2><button type="button" class="main" onClick={() => setOpen({ what: 'make' })}>New key</button></div></caption>
              <thead><tr>{['Name', 'Project', 'Limits', 'May', 'Last used', 'Ends'].map((name) => <th key={name} scope="col">{name}</th>)}<td /></tr></thead>
              <tbody>{list.map((one) => <Row key={one.id} of={one} onOpen={setOpen} />)}</tbody>
            </table>
          </div>
          {list.length === 0 && <p class="note">There are no keys yet.</p>}
          <div class="sheet" tabIndex={0} role="region" aria-label="Admin keys">
            <table class="words">
              <caption><div class="bar-of-choices"><h2>Admin keys</h2><button type="button" onClick={() => setOpen({ what: 'make admin' })}>New admin key</button></div></caption>
              <thead><tr>{['Name', 'May', 'Last used', 'Ends'].map((name) => <th key={name} scope="col">{name}</th>)}<td /></tr></thead>
              <tbody>{(adminKeys.value.value ?? []).map((one) => <AdminRow key={one.id} of={one} onOpen={setOpen} />)}</tbody>
            </table>
          </div>
          <Trouble error={adminKeys.error.value} />
          <Dialogs open={open} setOpen={setOpen} />
        </>
      )}
    </Guarded>
  );
}
