// What stands where no conversation is yet: the model, or what keeps us from it.
import { send } from '../chat';
import { doorError, factsOf, isLoading, loadModels, model } from '../models';

const IDEAS = [
  'Explain what a hash table is, with a short example in Python.',
  'Write a haiku about a quiet machine.',
  'List three uses of a paper clip as a Markdown table.',
];

export function Welcome({ onKey }: { onKey: () => void }) {
  const error = doorError.value;
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
  if (!model.value)
    return <section class="welcome"><h2>{isLoading.value ? 'One moment' : 'No model is served for this key'}</h2></section>;
  return (
    <section class="welcome">
      <h2>{model.value.id}</h2>
      <p>{factsOf(model.value)}</p>
      <p class="ideas">
        {IDEAS.map((idea) => <button type="button" key={idea} onClick={() => void send(idea)}>{idea}</button>)}
      </p>
    </section>
  );
}
