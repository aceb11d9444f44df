// A conversation is a tree of turns: an edit or a second answer is a sibling, and `leaf` says which
// path is shown. Values never change in place, so a turn that is the same object has not changed.
import type { ApiError } from './api';

/** When what came, in ms from the moment the request was sent; and what the server counted. */
export interface Speed {
  firstMs?: number;
  endMs?: number;
  /** Chunks with something in them while it runs, the server's count at the end. */
  tokens: number;
  isCounted: boolean;
  promptTokens?: number;
  cachedTokens?: number;
  queueMs?: number;
  prefillMs?: number;
}

export type AnswerState = 'waiting' | 'running' | 'done' | 'stopped' | 'failed';

export interface Answer {
  model: string;
  state: AnswerState;
  reasoning: string;
  speed: Speed;
  finish?: string;
  seed?: string;
  error?: { message: string; param: string | null; status: number };
}

export interface Turn {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant';
  content: string;
  /** Of an assistant's turn. */
  answer?: Answer;
}

export interface Conversation {
  id: string;
  turns: Record<string, Turn>;
  leaf: string | null;
}

export const newId = (): string => crypto.getRandomValues(new Uint32Array(2)).join('-');
export const newConversation = (): Conversation => ({ id: newId(), turns: {}, leaf: null });

export function addTurn(to: Conversation, turn: Turn): Conversation {
  return { ...to, turns: { ...to.turns, [turn.id]: turn }, leaf: turn.id };
}

export function changeTurn(of: Conversation, id: string, change: (turn: Turn) => Turn): Conversation {
  const turn = of.turns[id];
  return turn ? { ...of, turns: { ...of.turns, [id]: change(turn) } } : of;
}

/** From the first turn to the leaf, or to `end`. */
export function pathOf(of: Conversation, end: string | null = of.leaf): Turn[] {
  const path: Turn[] = [];
  for (let turn = end === null ? undefined : of.turns[end]; turn; turn = turn.parent === null ? undefined : of.turns[turn.parent])
    path.push(turn);
  return path.reverse();
}

export function asError(reason: ApiError): Answer['error'] {
  return { message: reason.message, param: reason.param, status: reason.status };
}

/** Tokens after the first one, over the time that they took. */
export function tokensPerSecond(speed: Speed, nowMs: number): number | undefined {
  if (speed.firstMs === undefined || speed.tokens < 2) return undefined;
  const seconds = ((speed.endMs ?? nowMs) - speed.firstMs) / 1000;
  return seconds > 0 ? (speed.tokens - 1) / seconds : undefined;
}
