// One chart over time, by uPlot: lines, or bars that stand on each other. Its values stand beneath it
// as text, of the point under the pointer (or the arrow keys), else the newest.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { theme } from '../theme';
import { NOTHING } from './format';

export interface Series {
  name: string;
  values: (number | null)[];
}
interface Props {
  title: string;
  /** Unix seconds, ascending. */
  at: number[];
  series: Series[];
  format: (value: number | null | undefined) => string;
  /** Unix seconds; the axis shows all of it, with or without values. */
  from: number;
  to: number;
  kind: 'lines' | 'bars';
}

const HEIGHT = 170;
const DARK = matchMedia('(prefers-color-scheme: dark)');

const HOURS = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' });
const DAYS = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });

/** Beside an axis 1.50 is 1.5, and 2.0 is 2. */
const atAxis = (text: string): string => text.replace(/(\.\d*?)0+(?=\D|$)/, '$1').replace(/\.(?=\D|$)/, '');

/** Each on the sum of those before it. */
function stacked(series: Series[]): (number | null)[][] {
  const sums: number[] = [];
  return series.map(({ values }) => values.map((value, at) => (sums[at] = (sums[at] ?? 0) + (value ?? 0))));
}

/** A line needs a neighbour: what has none is drawn as a point. */
function alone(values: (number | null | undefined)[]): number[] {
  return values.flatMap((value, at) => (value != null && values[at - 1] == null && values[at + 1] == null ? [at] : []));
}

function optionsOf(box: HTMLElement, { series, format, from, to, kind }: Props, onCursor: (at: number | null) => void): uPlot.Options {
  // light-dark() is worked out by the style of elements, not by canvas.
  const colours = [...box.parentElement!.querySelectorAll('.swatch')].map((one) => getComputedStyle(one).color);
  const { color: ink, borderTopColor: line } = getComputedStyle(box);
  const axis = { stroke: ink, font: `11px ${getComputedStyle(box).fontFamily}`, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
  const bars = uPlot.paths.bars!({ size: [.7, 40], align: 1 });
  return {
    width: box.clientWidth, height: HEIGHT, padding: [8, 8, 0, 0],
    legend: { show: false }, cursor: { y: false, drag: { x: false, y: false }, points: { show: kind === 'lines' } },
    ...(kind === 'bars' ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') } : {}),
    scales: { x: { range: [from, to] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [
      { ...axis, size: 28, space: 60, values: (_, splits) => splits.map((value) => (kind === 'bars' && value >= to ? '' : (kind === 'bars' ? DAYS : HOURS).format(value * 1000))) },
      { ...axis, size: 56, space: 32, values: (_, splits) => splits.map((value) => atAxis(format(value))) },
    ],
    series: [{}, ...series.map((_, index): uPlot.Series => {
      const colour = colours[index % colours.length]!;
      return kind === 'bars'
        ? { stroke: colour, fill: colour, width: 0, paths: bars, points: { show: false } }
        : { stroke: colour, width: 1.5, points: { show: false, size: 4, fill: colour, filter: (plot, which) => alone(plot.data[which] as number[]) } };
    })],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] },
  };
}

export function Chart(props: Props) {
  const { title, at, series, format, from, to, kind } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const [isDark, setDark] = useState(DARK.matches);
  // The tallest is drawn first, so that each stands before the sum that holds it.
  const drawn = useMemo(() => (kind === 'bars' ? stacked(series).reverse() : series.map(({ values }) => values)), [series]);
  const names = series.map(({ name }) => name).join('\n');

  useEffect(() => {
    const onChange = () => setDark(DARK.matches);
    DARK.addEventListener('change', onChange);
    return () => DARK.removeEventListener('change', onChange);
  }, []);
  useEffect(() => {
    const place = box.current!;
    const made = optionsOf(place, props, setCursor);
    if (kind === 'bars') made.series = [{}, ...made.series.slice(1).reverse()];
    plot.current = new uPlot(made, [at, ...drawn] as uPlot.AlignedData, place);
    const watch = new ResizeObserver(() => plot.current!.setSize({ width: place.clientWidth, height: HEIGHT }));
    watch.observe(place);
    return () => {
      watch.disconnect();
      plot.current!.destroy();
    };
  }, [names, kind, theme.value, isDark]);
  useEffect(() => {
    plot.current!.setData([at, ...drawn] as uPlot.AlignedData, false);
    plot.current!.setScale('x', { min: from, max: to });
  }, [at, drawn, from, to]);

  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Escape') plot.current!.setCursor({ left: -10, top: -10 });
    if (!step || at.length === 0) return;
    event.preventDefault();
    const next = Math.min(at.length - 1, Math.max(0, (cursor ?? (step < 0 ? at.length : -1)) + step));
    plot.current!.setCursor({ left: plot.current!.valToPos(at[next]!, 'x'), top: 10 });
    setCursor(next);
  };
  const shown = cursor ?? at.length - 1;
  const when = cursor === null || at[shown] === undefined ? '' : new Date(at[shown] * 1000).toLocaleString('en-GB', kind === 'bars'
    ? { dateStyle: 'medium', timeZone: 'UTC' } : { timeStyle: 'medium' });
  const values = series.map(({ name, values: all }) => `${name} ${format(all[shown] ?? null)}`);
  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <span class="when">{when}</span>
      </figcaption>
      <div ref={box} class="plot" tabIndex={0} role="img" onKeyDown={onKey} onBlur={() => setCursor(null)}
        aria-label={`${title}${when ? `, ${when}` : ''}: ${values.join(', ')}. Arrow keys go through it.`} />
      <ul class="series">
        {series.map(({ name, values: all }, index) => (
          <li key={name}><i class={`swatch c${index % 8}`} aria-hidden="true" />{name} <b>{shown < 0 ? NOTHING : format(all[shown] ?? null)}</b></li>
        ))}
      </ul>
    </figure>
  );
}
