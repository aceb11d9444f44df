import { conversation, startOver } from '../chat';
import { chooseModel, model, models } from '../models';
import { nextTheme, theme } from '../theme';
import { AutoIcon, DarkIcon, KeyIcon, LightIcon, NewIcon, SettingsIcon } from './icons';

interface Props {
  isSettingsOpen: boolean;
  onSettings: () => void;
  onKey: () => void;
}

export function Header({ isSettingsOpen, onSettings, onKey }: Props) {
  const ThemeIcon = { auto: AutoIcon, light: LightIcon, dark: DarkIcon }[theme.value];
  const themeName = `Colours: ${{ auto: 'as the system', light: 'light', dark: 'dark' }[theme.value]}`;
  return (
    <header>
      <h1><span class="mark" aria-hidden="true" />infe</h1>
      <select aria-label="Model" value={model.value?.id} disabled={models.value.length === 0}
        onChange={(event) => chooseModel(event.currentTarget.value)}>
        {models.value.length === 0 && <option>no model</option>}
        {models.value.map((one) => <option key={one.id} value={one.id}>{one.id}</option>)}
      </select>
      <div class="tools">
        <button type="button" class="quiet" onClick={startOver} disabled={conversation.value.leaf === null}
          aria-label="New conversation" title="New conversation"><NewIcon /></button>
        <button type="button" class="quiet" onClick={onKey} aria-label="API key" title="API key"><KeyIcon /></button>
        <button type="button" class="quiet" onClick={nextTheme} aria-label={themeName} title={themeName}><ThemeIcon /></button>
        <button type="button" class="quiet" onClick={onSettings} aria-expanded={isSettingsOpen}
          aria-label="Settings" title="Settings"><SettingsIcon /></button>
      </div>
    </header>
  );
}
