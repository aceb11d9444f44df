import { factsOf, model } from '../models';
import { type Parameter, PARAMETERS, changeSettings, fallbackOf, setValue, settings } from '../settings';
import { CloseIcon } from './icons';

function ParameterField({ parameter }: { parameter: Parameter }) {
  const { name, label, meaning, kind, min, max, step, options } = parameter;
  const value = settings.value.values[name] ?? '';
  const fallback = fallbackOf(parameter, model.value);
  const common = { id: `p-${name}`, value, 'aria-describedby': `m-${name}` };
  const onInput = (event: { currentTarget: { value: string } }) => setValue(name, event.currentTarget.value);
  return (
    <div class="field">
      <label for={common.id}>{label}</label>
      {kind === 'lines' ? <textarea {...common} rows={2} placeholder={fallback} onInput={onInput} />
      : kind === 'choice' ? (
        <select {...common} onChange={onInput}>
          <option value="">{fallback}</option>
          {options!.map((one) => <option key={one} value={one}>{one}</option>)}
        </select>
      ) : <input {...common} type="text" inputmode={kind === 'integer' ? 'numeric' : 'decimal'} placeholder={fallback}
            data-min={min} data-max={max} data-step={step} autocomplete="off" onInput={onInput} />}
      <small id={`m-${name}`}>{meaning}</small>
    </div>
  );
}

export function SettingsPanel({ onClose }: { onClose: () => void }) {
  return (
    <aside class="settings" aria-label="Settings">
      <div class="title">
        <h2>Settings</h2>
        <button type="button" class="quiet" onClick={onClose} aria-label="Close settings"><CloseIcon /></button>
      </div>
      {model.value && <p class="facts"><strong>{model.value.id}</strong><br />{factsOf(model.value)}</p>}
      <div class="field">
        <label for="system">System prompt</label>
        <textarea id="system" rows={4} value={settings.value.system} placeholder="None"
          onInput={(event) => changeSettings({ system: event.currentTarget.value })} />
      </div>
      {PARAMETERS.map((parameter) => <ParameterField key={parameter.name} parameter={parameter} />)}
      <button type="button" onClick={() => changeSettings({ system: '', values: {} })}>Everything as the model has it</button>
    </aside>
  );
}
