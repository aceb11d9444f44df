import { useState } from 'preact/hooks';

import { conversation, startOver } from '../conversations';
import { modelOf, models } from '../models';
import { type Side, compare, compareNoMore, isSideBySide } from '../settings';
import { nextTheme, theme } from '../theme';
import { AutoIcon, DarkIcon, KeyIcon, LightIcon, ListIcon, NewIcon, PairIcon, SettingsIcon } from './icons';
import { ModelPicker } from './model_picker';
import { isShelfOpen, setShelfOpen } from './shelf';

interface Props {
  isSettingsOpen: boolean;
  onSettings: () => void;
  onKey: () => void;
}

function ModelButton({ side }: { side: Side }) {
  const [isOpen, setOpen] = useState(false);
  const id = modelOf(side)?.id ?? 'no model';
  const name = isSideBySide.value ? `Model on the ${side}` : 'Model';
  return (
    <>
      <button type="button" class="model" disabled={models.value.length === 0} onClick={() => setOpen(true)} aria-label={`${name}: ${id}`} title={name}>{id}</button>
      {isOpen && <ModelPicker side={side} title={name} onClose={() => setOpen(false)} />}
    </>
  );
}

export function Header({ isSettingsOpen, onSettings, onKey }: Props) {
  const ThemeIcon = { auto: AutoIcon, light: LightIcon, dark: DarkIcon }[theme.value];
  const themeName = `Colours: ${{ auto: 'as the system', light: 'light', dark: 'dark' }[theme.value]}`;
  const onCompare = () => {
    if (isSideBySide.value) compareNoMore();
    else compare(models.value.find((one) => one.id !== modelOf('left')?.id)?.id);
  };
  return (
    <header>
      <button type="button" class="quiet" onClick={() => setShelfOpen(!isShelfOpen.value)} aria-expanded={isShelfOpen.value}
        aria-label="Conversations" title="Conversations"><ListIcon /></button>
      <h1><span class="mark" aria-hidden="true" /><span class="word">infe</span></h1>
      <div class="models">
        <ModelButton side="left" />
        {isSideBySide.value && <><span aria-hidden="true">|</span><ModelButton side="right" /></>}
      </div>
      <div class="tools">
        <button type="button" class="quiet" onClick={startOver} disabled={conversation.value.leaf === null}
          aria-label="New conversation" title="New conversation"><NewIcon /></button>
        <button type="button" class="quiet" onClick={onCompare} aria-pressed={isSideBySide.value}
          aria-label="Side by side" title="Two models or settings side by side"><PairIcon /></button>
        <button type="button" class="quiet" onClick={onKey} aria-label="API key" title="API key"><KeyIcon /></button>
        <button type="button" class="quiet" onClick={nextTheme} aria-label={themeName} title={themeName}><ThemeIcon /></button>
        <button type="button" class="quiet" onClick={onSettings} aria-expanded={isSettingsOpen}
          aria-label="Settings" title="Settings"><SettingsIcon /></button>
      </div>
    </header>
  );
}
