// What is going on now, from /metrics, and the last hour of a model.
import { signal } from '@preact/signals';

import { Chart, type Series } from './chart';
import { Trouble } from './door';
import { NOTHING, bytes, count, duration, milliseconds, percent, rate } from './format';
import { type History, growth, histories, loadError, look, modelNames, now, ratePerSecond } from './load';

const HOUR_S = 3600;
// What is shown at least: a server that has just begun has a few points only.
const SPAN_LEAST_S = 600;
const chosen = signal('');

function Fact({ name, value, isBad }: { name: string; value: string; isBad?: boolean }) {
  return <div class={isBad ? 'bad' : undefined}><dt>{name}</dt><dd>{value}</dd></div>;
}

function Server() {
  const version = look.value?.samples.get('infe_build_info')?.[0]?.labels.version;
  const begun = now('process_start_time_seconds');
  const cpu = ratePerSecond('process_cpu_seconds_total');
  const ledger = look.value?.samples.get('infe_ledger_state')?.find(({ value }) => value === 1)?.labels.state ?? NOTHING;
  const stuck = now('infe_stuck_workers') ?? 0;
  const isReady = now('infe_ready') === 1;
  return (
    <dl class="strip">
      <Fact name="State" value={!look.value ? NOTHING : isReady ? 'ready' : 'not ready'} isBad={look.value !== null && !isReady} />
      <Fact name="Version" value={version ?? NOTHING} />
      <Fact name="Up" value={begun === null ? NOTHING : duration(Date.now() / 1000 - begun)} />
      <Fact name="CPU" value={cpu === null ? NOTHING : `${rate(cpu)} cores`} />
      <Fact name="Memory" value={bytes(now('process_resident_memory_bytes'))} />
      <Fact name="Connections" value={count(now('infe_http_connections'))} />
      <Fact name="Refused, since the start" value={count((now('infe_rejected_requests_total') ?? 0) + (now('infe_rate_limited_total') ?? 0))} />
      <Fact name="Ledger" value={ledger} isBad={ledger !== 'healthy' && ledger !== NOTHING} />
      {stuck > 0 && <Fact name="Stuck" value={count(stuck)} isBad />}
    </dl>
  );
}

function stepMs(model: string): number | null {
  const steps = growth('infe_engine_steps_total', { model });
  const seconds = growth('infe_engine_forward_seconds_total', { model });
  const overhead = growth('infe_engine_overhead_seconds_total', { model });
  return !steps || seconds === null || overhead === null ? null : 1000 * (seconds + overhead) / steps;
}

function NowRow({ model }: { model: string }) {
  const labels = { model };
  const cells: [string, string][] = [
    ['Running', count(now('infe_running', labels))],
    ['Waiting', count(now('infe_queue_depth', labels))],
    ['KV memory', percent(now('infe_kv_usage_ratio', labels))],
    ['Step', milliseconds(stepMs(model))],
    ['Tokens/s', rate(ratePerSecond('infe_generated_tokens_total', labels))],
    ['Answers', count(now('infe_requests_finished_total', labels))],
    ['Prompt tokens', count(now('infe_prompt_tokens_total', labels))],
    ['of them cached', count(now('infe_cached_tokens_total', labels))],
    ['Generated', count(now('infe_generated_tokens_total', labels))],
  ];
  return (
    <tr>
      <th scope="row">{model}</th>
      {cells.map(([name, value]) => <td key={name} data-name={name}>{value}</td>)}
    </tr>
  );
}

function Now() {
  return (
    <div class="sheet" tabIndex={0} role="region" aria-label="Load by model">
      <table>
        <caption><h2>By model</h2></caption>
        <thead>
          <tr class="over"><td /><th colSpan={5} scope="colgroup">Now</th><th colSpan={4} scope="colgroup">Since the start</th></tr>
          <tr>
            {['Model', 'Running', 'Waiting', 'KV memory', 'Step', 'Tokens/s', 'Answers', 'Prompt tokens', 'of them cached', 'Generated']
              .map((name) => <th key={name} scope="col">{name}</th>)}
          </tr>
        </thead>
        <tbody>{modelNames.value.map((model) => <NowRow key={model} model={model} />)}</tbody>
      </table>
    </div>
  );
}

function seriesOf(history: History | undefined, columns: Record<string, string>, scale = 1): Series[] {
  return Object.entries(columns).map(([name, column]) => ({
    name, values: ((history?.[column] ?? []) as (number | null)[]).map((value) => (value === null ? null : value * scale)),
  }));
}

const CHARTS: { title: string; columns: Record<string, string>; format: (value: number | null | undefined) => string; scale?: number }[] = [
  { title: 'Sequences', columns: { running: 'running', waiting: 'waiting' }, format: rate },
  { title: 'Tokens per second', columns: { generated: 'generated_tokens_per_s', 'of prompts': 'prompt_tokens_per_s' }, format: rate },
  { title: 'Time to the first token', columns: { median: 'ttft_p50_ms', '95%': 'ttft_p95_ms' }, format: milliseconds },
  { title: 'Between two tokens', columns: { median: 'inter_token_p50_ms', '95%': 'inter_token_p95_ms', 'a step': 'step_ms' }, format: milliseconds },
  { title: 'KV memory', columns: { 'in use': 'kv_usage_ratio' }, format: percent },
  { title: 'Sequences finished per minute', columns: { finished: 'finished_per_s' }, format: rate, scale: 60 },
];

function LastHour() {
  const names = modelNames.value;
  const model = names.includes(chosen.value) ? chosen.value : names[0];
  const history = histories.value.find((one) => one.model === model);
  const to = history?.at.at(-1) ?? Math.floor(Date.now() / 1000);
  const from = Math.max(to - HOUR_S, Math.min(history?.at[0] ?? to, to - SPAN_LEAST_S));
  return (
    <section aria-labelledby="hour-title">
      <div class="bar-of-choices">
        <h2 id="hour-title">The last hour</h2>
        {names.length > 1 && (
          <label>Model <select value={model} onChange={(event) => { chosen.value = event.currentTarget.value; }}>
            {names.map((name) => <option key={name}>{name}</option>)}
          </select></label>
        )}
      </div>
      <div class="charts">
        {CHARTS.map(({ title, columns, format, scale }) => (
          <Chart key={title} title={title} kind="lines" at={history?.at ?? []} series={seriesOf(history, columns, scale)} format={format} from={from} to={to} />
        ))}
      </div>
    </section>
  );
}

export function LoadView() {
  return (
    <>
      <Trouble error={loadError.value} />
      <Server />
      <Now />
      <LastHour />
    </>
  );
}
