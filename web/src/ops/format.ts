// Numbers, sizes and times for a person. What is not known is a dash.
export const NOTHING = '–';

export const count = (value: number | null | undefined): string =>
  value === null || value === undefined ? NOTHING : Math.round(value).toLocaleString('en');

/** Three digits that say something: 0.12, 4.56, 12.3, 1,234. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  if (value === 0 || value >= 100) return count(value);
  return value.toFixed(value < 1 ? 2 : 1);
}

export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  if (value === 0) return '0 ms';
  if (value >= 1000) return `${rate(value / 1000)} s`;
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(2)} ms`;
}

export const percent = (part: number | null | undefined): string =>
  part === null || part === undefined ? NOTHING : `${(100 * part).toFixed(part > 0 && part < .1 ? 1 : 0)}%`;

const BYTES: [number, string][] = [[2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']];
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  const [scale, unit] = BYTES.find(([from]) => value >= from) ?? [1, 'bytes'];
  return `${rate(value / scale)} ${unit}`;
}

const TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
/** Of Unix seconds, where the person is. */
export const time = (at: number | null | undefined): string => (at ? TIME.format(at * 1000) : NOTHING);

const AGES: [number, string][] = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
export function duration(seconds: number): string {
  const at = AGES.findIndex(([from]) => seconds >= from);
  if (at < 0) return '0 s';
  const [scale, unit] = AGES[at]!;
  const below = AGES[at + 1];
  const whole = Math.floor(seconds / scale);
  const rest = below ? Math.floor((seconds - whole * scale) / below[0]) : 0;
  return `${whole} ${unit}${rest && below ? ` ${rest} ${below[1]}` : ''}`;
}
