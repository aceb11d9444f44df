// What stands where no conversation is yet: the model, or what keeps us from it.
import { IDEAS } from '../examples';
import { doorError, isLoading, lineOf, loadModels, modelOf } from '../models';

export function Welcome({ onKey }: { onKey: () => void }) {
  const error = doorError.value;
  const model = modelOf('left');
  if (error)
    return (
      <section class="welcome" role="alert">
        <h2>{error.status === 0 ? 'Nobody answers' : error.status === 401 ? 'A key, please' : 'Not yet'}</h2>
        <p>{error.message}</p>
        <p class="ideas">
          {(error.status === 401 || error.status === 403) && <button type="button" class="main" onClick={onKey}>Enter a key</button>}
          <button type="button" onClick={() => void loadModels()}>Try again</button>
        </p>
      </section>
    );
  if (!model)
    return <section class="welcome"><h2>{isLoading.value ? 'One moment' : 'No model is served for this key'}</h2></section>;
  return (
    <section class="welcome">
      <h2>{model.id}</h2>
      <p>{lineOf(model)}</p>
      <p class="ideas">
        {IDEAS.map(({ name, begin }) => <button type="button" key={name} onClick={begin}>{name}</button>)}
      </p>
    </section>
  );
}
