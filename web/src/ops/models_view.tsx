// What is loaded, and the memory that it takes.
import { Trouble } from './door';
import { bytes, count, milliseconds } from './format';
import { loadError, look, modelNames, now } from './load';

function Row({ model }: { model: string }) {
  const labels = { model };
  const info = look.value?.samples.get('infe_model_info')?.find((one) => one.labels.model === model)?.labels ?? {};
  const cache = look.value?.samples.get('vllm:cache_config_info')?.find((one) => one.labels.model_name === model)?.labels ?? {};
  const positions = Number(cache.block_size ?? 0);
  const tokens = (name: string) => count((now(name, labels) ?? 0) * positions);
  const cells: [string, string][] = [
    ['Architecture', [info.architecture, info.quantization].filter(Boolean).join(' ')],
    ['Context', count(now('infe_model_context_tokens', labels))],
    ['Weights', bytes(now('infe_model_file_bytes', labels))],
    ['KV positions in use', `${tokens('infe_kv_blocks_used')} of ${tokens('infe_kv_blocks_total')}`],
    ['Remembered', tokens('infe_kv_blocks_remembered')],
    ['Loaded in', milliseconds(1000 * (now('infe_model_load_seconds', labels) ?? 0))],
  ];
  return (
    <tr>
      <th scope="row">{model}{info.sha256 && <small title={info.sha256}>sha256 {info.sha256.slice(0, 12)}</small>}</th>
      {cells.map(([name, value]) => <td key={name} data-name={name}>{value}</td>)}
    </tr>
  );
}

export function ModelsView() {
  return (
    <>
      <Trouble error={loadError.value} />
      <dl class="strip">
        <div><dt>Memory of the process</dt><dd>{bytes(now('process_resident_memory_bytes'))}</dd></div>
        <div><dt>Threads</dt><dd>{count(now('process_threads'))}</dd></div>
        <div><dt>Grammars kept</dt><dd>{count(now('infe_grammar_cache_entries'))}</dd></div>
      </dl>
      <div class="sheet" tabIndex={0} role="region" aria-label="Models">
        <table>
          <caption><h2>Models</h2></caption>
          <thead>
            <tr>{['Model', 'Architecture', 'Context', 'Weights', 'KV positions in use', 'Remembered', 'Loaded in']
              .map((name) => <th key={name} scope="col">{name}</th>)}</tr>
          </thead>
          <tbody>{modelNames.value.map((model) => <Row key={model} model={model} />)}</tbody>
        </table>
      </div>
    </>
  );
}
