// Who changed what: entries from the newest on, as the server has them.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import type { ApiError } from '../api';
import { key } from '../key';
import { Resource, adminKeys, asApiError, listPage } from './admin';
import { Guarded, Trouble } from './door';
import { time } from './format';

interface Entry {
  id: string;
  type: string;
  effective_at: number;
  project?: { id: string };
  actor: { api_key: { id: string }; ip_address: string };
  [event: string]: unknown;
}

const PAGE = '50';
const hasMore = signal(false);
const moreError = signal<ApiError | null>(null);

async function read(after: string | null): Promise<Entry[]> {
  const page = await listPage<Entry>('audit_logs', { limit: PAGE, ...(after ? { after } : {}) });
  hasMore.value = page.has_more;
  return page.data;
}
export const audit = new Resource(() => read(null));

async function readOn(): Promise<void> {
  const known = audit.value.value!;
  try {
    audit.value.value = [...known, ...(await read(known.at(-1)!.id))];
    moreError.value = null;
  } catch (reason) {
    moreError.value = asApiError(reason);
  }
}

function Row({ entry }: { entry: Entry }) {
  const facts = entry[entry.type] as { id: string } & Record<string, unknown>;
  const { id, ...detail } = facts;
  const name = [detail.data, detail.changes_requested, detail.changes_from]
    .map((part) => (part as { name?: unknown } | undefined)?.name).find((one) => typeof one === 'string') as string | undefined;
  const actor = entry.actor.api_key.id;
  return (
    <tr>
      <td data-name="When"><time dateTime={new Date(entry.effective_at * 1000).toISOString()}>{time(entry.effective_at)}</time></td>
      <td data-name="What">{entry.type}</td>
      <td data-name="Of">{name && <b>{name} </b>}<small><code>{id}</code></small>{entry.project && entry.project.id !== id && <small>project {entry.project.id}</small>}</td>
      <td data-name="By">{adminKeys.value.value?.find((one) => one.id === actor)?.name ?? <code>{actor}</code>}{entry.actor.ip_address && <small>{entry.actor.ip_address}</small>}</td>
      <td data-name="Change">
        {Object.keys(detail).length > 0 && (
          <details>
            <summary>{Object.keys(detail).join(', ').replaceAll('_', ' ')}</summary>
            <pre>{JSON.stringify(detail, null, 1)}</pre>
          </details>
        )}
      </td>
    </tr>
  );
}

export function AuditView() {
  useEffect(() => {
    // For their names; without the scope for them an id says who.
    if (key.value) void adminKeys.load();
  }, [key.value]);
  return (
    <Guarded of={audit}>
      {(entries) => (
        <>
          <div class="sheet" tabIndex={0} role="region" aria-label="Audit log">
            <table class="words">
              <caption><h2>Audit log</h2></caption>
              <thead><tr>{['When', 'What', 'Of', 'By', 'Change'].map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
              <tbody>{entries.map((entry) => <Row key={entry.id} entry={entry} />)}</tbody>
            </table>
          </div>
          {entries.length === 0 && <p class="note">Nothing has been changed yet.</p>}
          <Trouble error={moreError.value} />
          {hasMore.value && <p><button type="button" onClick={() => void readOn()}>Older ones</button></p>}
        </>
      )}
    </Guarded>
  );
}
