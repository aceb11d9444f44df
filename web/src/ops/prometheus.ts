// The text of /metrics as numbers.
export interface Sample {
  labels: Record<string, string>;
  value: number;
}
export type Samples = Map<string, Sample[]>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function parseMetrics(text: string): Samples {
  const samples: Samples = new Map();
  for (const line of text.split('\n')) {
    const found = LINE.exec(line);
    if (!found) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (found[2] ?? '').matchAll(LABEL))
      labels[name!] = value!.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
    const list = samples.get(found[1]!);
    const sample = { labels, value: Number(found[3]) };
    if (list) list.push(sample);
    else samples.set(found[1]!, [sample]);
  }
  return samples;
}

/** The sum of a series over those of its samples that have these labels; null where there is none. */
export function valueOf(samples: Samples | null, name: string, labels: Record<string, string> = {}): number | null {
  const found = samples?.get(name)?.filter((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value));
  return found?.length ? found.reduce((sum, { value }) => sum + value, 0) : null;
}
