// Projects: whose keys share a prefix cache, a fair share, and limits by model.
import { useEffect, useState } from 'preact/hooks';

import { type ApiError } from '../api';
import { Dialog } from '../components/dialog';
import { key } from '../key';
import { type Project, type RateLimit, UNLIMITED, archiveProject, asApiError, changeRateLimit, keys, makeProject, projects, rateLimits, renameProject } from './admin';
import { Guarded, Trouble } from './door';
import { NOTHING, count, time } from './format';
import { Confirm } from './keys_view';
import { announcement } from './notes';

const RATES: ['max_requests_per_1_minute' | 'max_tokens_per_1_minute' | 'max_requests_per_1_day', string][] = [
  ['max_requests_per_1_minute', 'Requests a minute'], ['max_tokens_per_1_minute', 'Tokens a minute'], ['max_requests_per_1_day', 'Requests a day'],
];

type Open = { what: 'make' } | { what: 'rename' | 'archive' | 'limits'; of: Project };

function NameForm({ of, onDone, onClose }: { of?: Project; onDone: (said: string) => void; onClose: () => void }) {
  const [name, setName] = useState(of?.name ?? '');
  const [error, setError] = useState<ApiError | null>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await (of ? renameProject(of, name) : makeProject(name));
      onClose();
      onDone(of ? `The project is called ${name}.` : `The project ${name} is made.`);
    } catch (reason) {
      setError(asApiError(reason));
    }
  };
  return (
    <Dialog title={of ? `Rename ${of.name}` : 'New project'} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <label class="field"><span>Name</span><input required autofocus maxLength={200} value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <Trouble error={error} />
        <p class="actions"><button type="button" onClick={onClose}>Cancel</button><button class="main">{of ? 'Rename' : 'Make the project'}</button></p>
      </form>
    </Dialog>
  );
}

const asText = (rate: number): string => (rate >= UNLIMITED ? '' : String(rate));

/** Of all keys of the project together, by model. */
function LimitsForm({ of, onDone, onClose }: { of: Project; onDone: (said: string) => void; onClose: () => void }) {
  const [limits, setLimits] = useState<RateLimit[] | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    rateLimits(of.id).then(setLimits, (reason: unknown) => setError(asApiError(reason)));
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement);
    try {
      for (const limit of limits!) {
        const changed = RATES.map(([field]) => [field, Number(typed.get(`${limit.id} ${field}`) || UNLIMITED)] as const)
          .filter(([field, rate]) => rate !== limit[field]);
        if (changed.length > 0) await changeRateLimit(of.id, limit.id, Object.fromEntries(changed));
      }
      onClose();
      onDone(`The limits of ${of.name} are changed.`);
    } catch (reason) {
      setError(asApiError(reason));
    }
  };
  return (
    <Dialog title={`Limits of ${of.name}`} onClose={onClose}>
      <p>Of all its keys together, beside the limits that each has.</p>
      <form onSubmit={(event) => void submit(event)}>
        {limits?.map((limit) => (
          <fieldset key={limit.id}>
            <legend>{limit.model}</legend>
            <div class="fields">
              {RATES.map(([field, label]) => (
                <label class="field" key={field}><span>{label}</span>
                  <input type="number" min="0" step="any" inputMode="numeric" placeholder="no limit" name={`${limit.id} ${field}`} defaultValue={asText(limit[field])} />
                </label>
              ))}
            </div>
          </fieldset>
        ))}
        <Trouble error={error} />
        <p class="actions"><button type="button" onClick={onClose}>Cancel</button><button class="main" disabled={!limits}>Change</button></p>
      </form>
    </Dialog>
  );
}

function Dialogs({ open, setOpen }: { open: Open | null; setOpen: (open: Open | null) => void }) {
  const onClose = () => setOpen(null);
  const onDone = (said: string) => {
    announcement.value = said;
    void Promise.all([projects.load(), keys.load()]);
  };
  switch (open?.what) {
    case undefined:
      return null;
    case 'make':
      return <NameForm onDone={onDone} onClose={onClose} />;
    case 'rename':
      return <NameForm of={open.of} onDone={onDone} onClose={onClose} />;
    case 'limits':
      return <LimitsForm of={open.of} onDone={onDone} onClose={onClose} />;
    case 'archive':
      return (
        <Confirm title={`Archive ${open.of.name}?`} act="Archive" onClose={onClose}
          onAct={async () => { await archiveProject(open.of); onDone(`The project ${open.of.name} is archived.`); }}>
          <p>Its keys stop working, and it cannot be brought back. Its usage stays.</p>
        </Confirm>
      );
  }
}

function Row({ of, onOpen }: { of: Project; onOpen: (open: Open) => void }) {
  const number = keys.value.value?.filter(({ project }) => project === of.id).length;
  return (
    <tr>
      <th scope="row">{of.name}<small><code>{of.id}</code></small></th>
      <td data-name="Keys">{number === undefined ? NOTHING : count(number)}</td>
      <td data-name="Made">{time(of.created_at)}</td>
      <td class="acts">
        <button type="button" class="small" aria-label={`Limits of ${of.name}`} onClick={() => onOpen({ what: 'limits', of })}>Limits</button>
        <button type="button" class="small" aria-label={`Rename ${of.name}`} onClick={() => onOpen({ what: 'rename', of })}>Rename</button>
        <button type="button" class="small" aria-label={`Archive ${of.name}`} onClick={() => onOpen({ what: 'archive', of })}>Archive</button>
      </td>
    </tr>
  );
}

export function ProjectsView() {
  const [open, setOpen] = useState<Open | null>(null);
  useEffect(() => {
    if (key.value) void keys.load();
  }, [key.value]);
  return (
    <Guarded of={projects}>
      {(list) => (
        <>
          <div class="sheet" tabIndex={0} role="region" aria-label="Projects">
            <table class="words">
              <caption><div class="bar-of-choices"><h2>Projects</h2><button type="button" class="main" onClick={() => setOpen({ what: 'make' })}>New project</button></div></caption>
              <thead><tr>{['Name', 'Keys', 'Made'].map((name) => <th key={name} scope="col">{name}</th>)}<td /></tr></thead>
              <tbody>{list.map((one) => <Row key={one.id} of={one} onOpen={setOpen} />)}</tbody>
            </table>
          </div>
          <Dialogs open={open} setOpen={setOpen} />
        </>
      )}
    </Guarded>
  );
}
