import { useColoursSchema, useWeatherTools } from '../examples';
import { model } from '../models';
import { type Parameter, type Section, PARAMETERS, fallbackOf } from '../parameters';
import {
  type Format, type Side, changeSettings, editSide, editedSide, formatFields, isSideBySide, resetSettings, setValue, settings, toolFields,
} from '../settings';
import { CloseIcon } from './icons';
import { JsonField } from './json_field';
import { Facts } from './model_picker';

function ParameterField({ parameter }: { parameter: Parameter }) {
  const { name, label, meaning, kind, options } = parameter;
  const value = settings.value.values[name] ?? '';
  const fallback = fallbackOf(parameter, model.value);
  const common = { id: `p-${name}`, value, 'aria-describedby': `m-${name}` };
  const onInput = (event: { currentTarget: { value: string } }) => setValue(name, event.currentTarget.value);
  return (
    <div class="field">
      <label for={common.id}>{label}</label>
      {kind === 'lines' || kind === 'object' ? <textarea {...common} rows={2} placeholder={fallback} onInput={onInput} />
      : kind === 'choice' ? (
        <select {...common} onChange={onInput}>
          <option value="">{fallback}</option>
          {options!.map((one) => <option key={one} value={one}>{one}</option>)}
        </select>
      ) : <input {...common} type="text" inputmode={kind === 'integer' ? 'numeric' : 'decimal'} placeholder={fallback}
            autocomplete="off" onInput={onInput} />}
      <small id={`m-${name}`}><code>{name}</code> {meaning}</small>
    </div>
  );
}

const Parameters = ({ of }: { of: Section }) => (
  <>{PARAMETERS.filter(({ section }) => section === of).map((parameter) => <ParameterField key={parameter.name} parameter={parameter} />)}</>
);

function Choice({ id, label, value, options, onChange, meaning }: {
  id: string; label: string; value: string; options: [string, string][]; onChange: (value: string) => void; meaning: string;
}) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} aria-describedby={`${id}-m`} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([one, words]) => <option key={one} value={one}>{words}</option>)}
      </select>
      <small id={`${id}-m`}>{meaning}</small>
    </div>
  );
}

function Tools() {
  const { tools, toolChoice } = settings.value;
  return (
    <details open={tools !== ''}>
      <summary>Tools</summary>
      <JsonField id="tools" label="Tools" rows={10} value={tools} placeholder="[]" onChange={(value) => changeSettings({ tools: value })}
        fields={() => toolFields(settings.value)} />
      <p class="examples"><button type="button" onClick={useWeatherTools}>Weather example</button></p>
      <Choice id="tool-choice" label="Tool choice" value={toolChoice} onChange={(value) => changeSettings({ toolChoice: value })}
        options={[['', 'auto'], ['required', 'required'], ['none', 'none']]}
        meaning="Whether the model may call (auto), must call, or must not. Calls are answered by you, below the answer." />
    </details>
  );
}

function OutputFormat() {
  const { format, schema } = settings.value;
  return (
    <details open={format !== 'text'}>
      <summary>Output format</summary>
      <Choice id="format" label="Response format" value={format} onChange={(value) => changeSettings({ format: value as Format })}
        options={[['text', 'text'], ['json_object', 'JSON object'], ['json_schema', 'JSON by a schema']]}
        meaning="A format is enforced token by token: what comes is valid." />
      {format === 'json_schema' && <JsonField id="schema" label="Schema" rows={12} value={schema} placeholder='{"name": "answer", "schema": {}}'
        onChange={(value) => changeSettings({ schema: value })} fields={() => formatFields(settings.value)} />}
      <p class="examples"><button type="button" onClick={useColoursSchema}>Colours example</button></p>
    </details>
  );
}

function RequestFields() {
  const { name, more, alternatives } = settings.value;
  return (
    <details>
      <summary>Request</summary>
      <Parameters of="request" />
      <Choice id="alternatives" label="Token probabilities" value={String(alternatives)} onChange={(value) => changeSettings({ alternatives: Number(value) })}
        options={[['-1', 'asked for when looked at'], ['0', 'with each answer'], ['5', 'with each answer, and 5 alternatives'], ['20', 'with each answer, and 20 alternatives']]}
        meaning="logprobs and top_logprobs." />
      <div class="field">
        <label for="name">Your name</label>
        <input id="name" type="text" value={name} placeholder="none" aria-describedby="name-m" onInput={(event) => changeSettings({ name: event.currentTarget.value })} />
        <small id="name-m"><code>messages[].name</code> of what you write, for templates that have a place for it.</small>
      </div>
      <JsonField id="more" label="More fields" rows={4} value={more} placeholder='{"prediction": {"type": "content", "content": "…"}}' onChange={(value) => changeSettings({ more: value })}
        fields={() => JSON.parse(more) as Record<string, unknown>} />
    </details>
  );
}

function Sides() {
  const sides: [Side, string][] = [['left', 'Left'], ['right', 'Right']];
  return (
    <div class="tabs" role="group" aria-label="Settings of which side">
      {sides.map(([side, name]) => <button key={side} type="button" aria-pressed={editedSide.value === side} onClick={() => editSide(side)}>{name}</button>)}
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
      {isSideBySide.value && <Sides />}
      {model.value && <div class="card"><strong>{model.value.id}</strong><Facts of={model.value} /></div>}
      <div class="field">
        <label for="system">System prompt</label>
        <textarea id="system" rows={4} value={settings.value.system} placeholder="None"
          onInput={(event) => changeSettings({ system: event.currentTarget.value })} />
      </div>
      <Parameters of="common" />
      <details><summary>Sampling</summary><Parameters of="sampling" /></details>
      <Tools />
      <OutputFormat />
      <RequestFields />
      <button type="button" onClick={resetSettings}>Everything as the model has it</button>
    </aside>
  );
}
