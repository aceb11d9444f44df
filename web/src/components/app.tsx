import { useEffect, useState } from 'preact/hooks';

import { path } from '../conversations';
import { doorError } from '../models';
import { announcement, isRunning, stop } from '../reading';
import { Composer } from './composer';
import { Header } from './header';
import { KeyDialog } from './key_dialog';
import { SettingsPanel } from './settings_panel';
import { Shelf, isShelfOpen } from './shelf';
import { Thread } from './thread';
import { Welcome } from './welcome';

export function App() {
  const [isSettingsOpen, setSettingsOpen] = useState(false);
  const [isKeyOpen, setKeyOpen] = useState(false);
  const status = doorError.value?.status;
  useEffect(() => {
    if (status === 401 || status === 403) setKeyOpen(true);
  }, [status]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && isRunning.value && !document.querySelector('dialog[open]')) stop();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return (
    <>
      <a class="skip" href="#prompt">Skip to the message field</a>
      <Header isSettingsOpen={isSettingsOpen} onSettings={() => setSettingsOpen(!isSettingsOpen)} onKey={() => setKeyOpen(true)} />
      <div class="page">
        {isShelfOpen.value && <Shelf />}
        <main>
          {path.value.length === 0 ? <Welcome onKey={() => setKeyOpen(true)} /> : <Thread />}
          <Composer />
        </main>
        {isSettingsOpen && <SettingsPanel onClose={() => setSettingsOpen(false)} />}
      </div>
      {isKeyOpen && <KeyDialog onClose={() => setKeyOpen(false)} />}
      <p class="unseen" role="status">{announcement.value}</p>
    </>
  );
}
