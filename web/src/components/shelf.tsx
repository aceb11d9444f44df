// The conversations that this browser keeps.
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';

import { conversation, exportAll, exportOne, heads, importFile, open, remove, rename, shelfError, startOver } from '../conversations';
import { announcement } from '../reading';
import { type Head, isKept } from '../store';
import { CloseIcon, DeleteIcon, ExportIcon, RenameIcon } from './icons';

const NAME = 'infe.shelf';
const WIDE = matchMedia('(min-width: 70rem)');

const stored = localStorage.getItem(NAME);
export const isShelfOpen = signal(WIDE.matches && stored !== 'closed');
export function setShelfOpen(value: boolean): void {
  isShelfOpen.value = value;
  if (WIDE.matches) localStorage.setItem(NAME, value ? 'open' : 'closed');
}
// Where it lies above the conversation it goes away once it has been of use.
const closeIfAbove = () => { if (!WIDE.matches) setShelfOpen(false); };

type Mode = 'shown' | 'renamed' | 'deleted';

function Renaming({ head, onDone }: { head: Head; onDone: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  return (
    <form class="rename" onSubmit={(event) => { event.preventDefault(); void rename(head.id, field.current!.value.trim()).then(onDone); }}>
      <input ref={field} aria-label="Name of the conversation" defaultValue={head.title} maxLength={200}
        onKeyDown={(event) => { if (event.key === 'Escape') { event.stopPropagation(); onDone(); } }} />
      <button class="main">Rename</button>
    </form>
  );
}

function Row({ head }: { head: Head }) {
  const [mode, setMode] = useState<Mode>('shown');
  const isOpen = head.id === conversation.value.id;
  if (mode === 'renamed') return <li><Renaming head={head} onDone={() => setMode('shown')} /></li>;
  if (mode === 'deleted')
    return (
      <li class="rename">
        <span>Delete “{head.title}”?</span>
        <button type="button" class="main" autofocus onClick={() => void remove(head.id).then(() => { announcement.value = 'Deleted.'; })}>Delete</button>
        <button type="button" onClick={() => setMode('shown')}>Keep</button>
      </li>
    );
  return (
    <li>
      <button type="button" class="row" aria-current={isOpen || undefined} title={head.title}
        onClick={() => void open(head.id).then(closeIfAbove)}>{head.title}</button>
      <span class="row-tools">
        <button type="button" class="quiet small" onClick={() => setMode('renamed')} aria-label={`Rename ${head.title}`} title="Rename"><RenameIcon /></button>
        <button type="button" class="quiet small" onClick={() => void exportOne(head.id)} aria-label={`Export ${head.title}`} title="Export"><ExportIcon /></button>
        <button type="button" class="quiet small" onClick={() => setMode('deleted')} aria-label={`Delete ${head.title}`} title="Delete"><DeleteIcon /></button>
      </span>
    </li>
  );
}

export function Shelf() {
  const picker = useRef<HTMLInputElement>(null);
  const [trouble, setTrouble] = useState('');
  const [isLost, setLost] = useState(false);
  useEffect(() => void isKept.then((kept) => setLost(!kept)), []);
  const onFile = async (file: File | undefined) => {
    if (!file) return;
    try {
      const count = await importFile(file);
      announcement.value = `${count} imported.`;
      setTrouble('');
    } catch (reason) {
      setTrouble((reason as Error).message);
    }
    picker.current!.value = '';
  };
  return (
    <nav class="shelf" aria-label="Conversations">
      <div class="title">
        <h2>Conversations</h2>
        <button type="button" class="quiet" onClick={() => setShelfOpen(false)} aria-label="Close conversations"><CloseIcon /></button>
      </div>
      <button type="button" class="wide" onClick={() => { startOver(); closeIfAbove(); }} disabled={conversation.value.leaf === null}>New</button>
      {heads.value.length === 0 && <p class="note">None yet. They stay in this browser.</p>}
      <ul>{heads.value.map((head) => <Row key={head.id} head={head} />)}</ul>
      {(trouble || shelfError.value) && <p class="trouble" role="alert">{trouble || shelfError.value}</p>}
      {isLost && <p class="note">This browser keeps nothing: they end with this page.</p>}
      <p class="pair-of-buttons">
        <button type="button" onClick={() => picker.current!.click()}>Import</button>
        <button type="button" disabled={heads.value.length === 0} onClick={() => void exportAll()}>Export all</button>
      </p>
      <input ref={picker} type="file" accept="application/json,.json" hidden aria-label="File of conversations"
        onChange={(event) => void onFile(event.currentTarget.files?.[0])} />
    </nav>
  );
}
