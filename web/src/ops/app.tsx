import { useEffect } from 'preact/hooks';

import { AgainIcon, AutoIcon, DarkIcon, KeyIcon, LightIcon } from '../components/icons';
import { key, setKey } from '../key';
import { nextTheme, theme } from '../theme';
import { adminKeys, keys, projects } from './admin';
import { AuditView, audit } from './audit_view';
import { KeysView } from './keys_view';
import { LoadView } from './load_view';
import { ModelsView } from './models_view';
import { announcement } from './notes';
import { ProjectsView } from './projects_view';
import { UsageView } from './usage_view';
import { usage } from './usage';
import { VIEWS, type View, view } from './views';

const PARTS = { load: LoadView, usage: UsageView, keys: KeysView, projects: ProjectsView, audit: AuditView, models: ModelsView };
/** What the button beside the parts reads again; the others read themselves. */
const READ: Partial<Record<View, { load: () => Promise<void> }[]>> = {
  usage: [usage, keys, projects], keys: [keys, adminKeys], projects: [projects, keys], audit: [audit],
};

function Header() {
  const ThemeIcon = { auto: AutoIcon, light: LightIcon, dark: DarkIcon }[theme.value];
  const themeName = `Colours: ${{ auto: 'as the system', light: 'light', dark: 'dark' }[theme.value]}`;
  const read = READ[view.value];
  return (
    <header>
      <h1><span class="mark" aria-hidden="true" /><span class="word">infe operations</span></h1>
      <nav aria-label="Parts">
        {Object.entries(VIEWS).map(([id, name]) => <a key={id} href={`#${id}`} aria-current={view.value === id ? 'page' : undefined}>{name}</a>)}
      </nav>
      <div class="tools">
        <button type="button" class="quiet" disabled={!read || !key.value} onClick={() => void Promise.all(read!.map((one) => one.load()))}
          aria-label="Read again" title="Read again"><AgainIcon /></button>
        <button type="button" class="quiet" disabled={!key.value} onClick={() => setKey('', { remember: false })}
          aria-label="Forget the admin key" title="Forget the admin key"><KeyIcon /></button>
        <button type="button" class="quiet" onClick={nextTheme} aria-label={themeName} title={themeName}><ThemeIcon /></button>
      </div>
    </header>
  );
}

export function App() {
  const Part = PARTS[view.value];
  useEffect(() => {
    document.title = `${VIEWS[view.value]} · infe operations`;
    document.querySelector('header [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [view.value]);
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById('content')!.focus(); }}>Skip to the content</a>
      <Header />
      <main id="content" tabIndex={-1}><Part /></main>
      <p class="unseen" role="status">{announcement.value}</p>
    </>
  );
}
