import { type Model, factsOf, modelOf, models } from '../models';
import { type Side, changeSettings } from '../settings';
import { Dialog } from './dialog';

export function Facts({ of }: { of: Model }) {
  return <dl class="facts">{factsOf(of).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

export function ModelPicker({ side, title, onClose }: { side: Side; title: string; onClose: () => void }) {
  const chosen = modelOf(side)?.id;
  return (
    <Dialog title={title} onClose={onClose}>
      <fieldset class="picker">
        <legend class="unseen">{title}</legend>
        {models.value.map((one) => (
          <label key={one.id}>
            <input type="radio" name="model" checked={one.id === chosen} aria-label={one.id} onChange={() => changeSettings({ model: one.id }, side)} />
            <span><strong>{one.id}</strong><Facts of={one} /></span>
          </label>
        ))}
      </fieldset>
    </Dialog>
  );
}
