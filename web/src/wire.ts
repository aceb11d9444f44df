// What went over the wire for an answer: for this visit only, since it is as large as many answers.
import { signal } from '@preact/signals';

export interface Exchange {
  body: Record<string, unknown>;
  status?: number;
  headers: [string, string][];
  /** As they came, a whole answer as one. */
  events: string[];
  length: number;
  isCut: boolean;
}

// Of one answer, in characters; behind that its events are counted no more.
const LENGTH_MAX = 4_000_000;
const ANSWERS_MAX = 40;

const exchanges = new Map<string, Exchange>();
/** Counts up whenever something has come, so that a view knows when to look again. */
export const wireVersion = signal(0);

export function begin(turn: string, body: Record<string, unknown>): Exchange {
  const exchange: Exchange = { body, headers: [], events: [], length: 0, isCut: false };
  exchanges.set(turn, exchange);
  for (const oldest of exchanges.keys()) {
    if (exchanges.size <= ANSWERS_MAX) break;
    exchanges.delete(oldest);
  }
  return exchange;
}

export function note(exchange: Exchange, event: string): void {
  if (exchange.length > LENGTH_MAX) {
    exchange.isCut = true;
    return;
  }
  exchange.events.push(event);
  exchange.length += event.length;
}

export const exchangeOf = (turn: string): Exchange | undefined => exchanges.get(turn);
