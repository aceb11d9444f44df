import { useEffect, useMemo } from 'preact/hooks';

import { download } from '../download';
import { key } from '../key';
import { keys, projects } from './admin';
import { Chart, type Series } from './chart';
import { Guarded } from './door';
import { count } from './format';
import { GROUPS, type Group, MEASURES, type Measure, type UsageRow, asCsv, days, firstDay, group, measure, measured, nameOf, totals, usage } from './usage';

const DAY_S = 86_400;
// As many as there are colours that differ; the rest is one.
const SERIES_MAX = 7;
const RANGES = [7, 30, 90];

function chartOf(rows: UsageRow[]): { at: number[]; series: Series[] } {
  const first = firstDay();
  const at = Array.from({ length: days.value }, (_, day) => first + day * DAY_S);
  const shown = totals.value.slice(0, totals.value.length > SERIES_MAX + 1 ? SERIES_MAX : SERIES_MAX + 1).map(({ of }) => of);
  const places = new Map(shown.map((of, place) => [of, place]));
  const rest = totals.value.length > shown.length;
  const series: Series[] = [...shown.map(nameOf), ...(rest ? ['the others'] : [])].map((name) => ({ name, values: at.map(() => 0) }));
  for (const row of rows) {
    const day = (row.day - first) / DAY_S;
    const values = series[places.get(row.of) ?? shown.length]?.values;
    if (values && day >= 0 && day < values.length) values[day] = (values[day] ?? 0) + measured(row);
  }
  return { at, series };
}

function Choices() {
  return (
    <div class="bar-of-choices">
      <h2>Usage</h2>
      <label>Days <select value={days.value} onChange={(event) => { days.value = Number(event.currentTarget.value); }}>
        {RANGES.map((range) => <option key={range} value={range}>{range}</option>)}
      </select></label>
      <label>Summed <select value={group.value} onChange={(event) => { group.value = event.currentTarget.value as Group; }}>
        {Object.entries(GROUPS).map(([id, name]) => <option key={id} value={id}>{name}</option>)}
      </select></label>
      <label>Chart of <select value={measure.value} onChange={(event) => { measure.value = event.currentTarget.value as Measure; }}>
        {Object.entries(MEASURES).map(([id, name]) => <option key={id} value={id}>{name}</option>)}
      </select></label>
      <button type="button" disabled={!usage.value.value} onClick={() => download(`infe-usage-${group.value}.csv`, 'text/csv', asCsv())}>CSV</button>
    </div>
  );
}

const cellsOf = (row: UsageRow): [string, number][] => [
  ['Requests', row.requests], ['Prompt tokens', row.prompt], ['of them cached', row.cached], ['Completion tokens', row.completion],
];

function Totals() {
  const sums = totals.value;
  const all = sums.reduce((sum, row) => ({
    ...sum, requests: sum.requests + row.requests, prompt: sum.prompt + row.prompt, cached: sum.cached + row.cached, completion: sum.completion + row.completion,
  }), { day: 0, of: '', requests: 0, prompt: 0, cached: 0, completion: 0 });
  const name = { none: 'All', key: 'Key', project: 'Project', model: 'Model' }[group.value];
  return (
    <div class="sheet" tabIndex={0} role="region" aria-label="Sums">
      <table>
        <caption><h2>Sums of {days.value} days</h2></caption>
        <thead><tr>{[name, 'Requests', 'Prompt tokens', 'of them cached', 'Completion tokens'].map((one) => <th key={one} scope="col">{one}</th>)}</tr></thead>
        <tbody>
          {group.value !== 'none' && sums.map((row) => (
            <tr key={row.of}>
              <th scope="row" title={row.of}>{nameOf(row.of)}</th>
              {cellsOf(row).map(([cell, value]) => <td key={cell} data-name={cell}>{count(value)}</td>)}
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">All</th>
            {cellsOf(all).map(([cell, value]) => <td key={cell} data-name={cell}>{count(value)}</td>)}
          </tr>
        </tfoot>
      </table>
    </div>
  );
}

export function UsageView() {
  useEffect(() => {
    if (!key.value) return;
    // Names of keys and projects: a key that may not read them sees ids.
    void keys.load();
    void projects.load();
  }, [key.value]);
  return (
    <Guarded key={`${days.value} ${group.value}`} of={usage}>
      {(rows) => <Shown rows={rows} />}
    </Guarded>
  );
}

function Shown({ rows }: { rows: UsageRow[] }) {
  const { at, series } = useMemo(() => chartOf(rows), [rows, measure.value, keys.value.value, projects.value.value]);
  return (
    <>
      <Choices />
      <Chart title={`${MEASURES[measure.value]} by day (UTC)`} kind="bars" at={at} series={series} format={count}
        from={firstDay()} to={firstDay() + days.value * DAY_S} />
      <Totals />
    </>
  );
}
