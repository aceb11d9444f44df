// JSON that is typed, and what the server thinks of it.
import { useEffect, useState } from 'preact/hooks';

import { type Verdict, check } from '../checks';
import { model } from '../models';

// A server is not asked for each key that is pressed.
const QUIET_MS = 500;

interface Props {
  id: string;
  label: string;
  rows: number;
  value: string;
  placeholder: string;
  onChange: (value: string) => void;
  /** What is sent of it; may throw ApiError. */
  fields: () => Record<string, unknown>;
}

export function JsonField({ id, label, rows, value, placeholder, onChange, fields }: Props) {
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const asked = model.value?.id;
  useEffect(() => {
    setVerdict(null);
    if (!value.trim() || asked === undefined) return;
    const abort = new AbortController();
    const timer = setTimeout(() => void check(fields, abort.signal).then(setVerdict, () => undefined), QUIET_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [value, asked]);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea id={id} class="json" rows={rows} value={value} placeholder={placeholder} spellcheck={false} aria-invalid={verdict?.isFine === false}
        aria-describedby={`${id}-verdict`} onInput={(event) => onChange(event.currentTarget.value)} />
      <p id={`${id}-verdict`} class={verdict?.isFine === false ? 'trouble' : 'note'} role="status">
        {verdict ? verdict.words : value.trim() ? 'Asking the server…' : ''}
      </p>
    </div>
  );
}
