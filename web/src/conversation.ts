// A conversation is a tree of turns: an edit or a second answer is a sibling, and `leaf` says which
// path is shown. Values never change in place, so a turn that is the same object has not changed.
import type { ApiError } from './api';
import type { TokenScore, ToolCall } from './events';

/** When what came, in ms from the moment the request was sent; and what the server counted. */
export interface Speed {
  firstMs?: number;
  endMs?: number;
  /** Chunks with something in them while it runs, the server's count at the end. */
  tokens: number;
  isCounted: boolean;
  promptTokens?: number;
  cachedTokens?: number;
  reasoningTokens?: number;
  queueMs?: number;
  prefillMs?: number;
  /** Of the server alone: without the way here. */
  decodeRate?: number;
  draftedTokens?: number;
  acceptedTokens?: number;
}

export type AnswerState = 'waiting' | 'running' | 'done' | 'stopped' | 'failed';

/** What was asked beside the messages: with the path to the answer it makes the request again. */
export interface Asked {
  model: string;
  system: string;
  fields: Record<string, unknown>;
}

export interface Answer {
  state: AnswerState;
  asked: Asked;
  reasoning: string;
  calls: ToolCall[];
  speed: Speed;
  finish?: string;
  seed?: string;
  fingerprint?: string;
  error?: { message: string; param: string | null; status: number };
  /** Where they were asked for. */
  tokens?: TokenScore[];
  /** What was kept of another answer before this one went on. */
  kept?: string;
  /** The answer that was asked again with its own seed. */
  sameAs?: string;
}

export interface Turn {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant' | 'tool';
  content: string;
  /** Of the person who speaks, or of the function that answers. */
  name?: string;
  /** Of a tool's turn. */
  callId?: string;
  /** Of an assistant's turn. */
  answer?: Answer;
  /** The sibling that stands at this one's side. */
  beside?: string;
}

export interface Conversation {
  id: string;
  title: string;
  changedAt: number;
  turns: Record<string, Turn>;
  leaf: string | null;
}

export const newId = (): string => crypto.getRandomValues(new Uint32Array(2)).join('-');
export const newConversation = (): Conversation => ({ id: newId(), title: '', changedAt: Date.now(), turns: {}, leaf: null });

const TITLE_MAX = 60;

/** What it is called, until a person calls it something else: its first words. */
export function titleOf(of: Conversation): string {
  if (of.title) return of.title;
  const first = Object.values(of.turns).find((turn) => turn.role === 'user');
  const words = first?.content.trim().replace(/\s+/g, ' ') ?? '';
  return words.length > TITLE_MAX ? `${words.slice(0, TITLE_MAX)}…` : words || 'New conversation';
}

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

/** In the order in which they were made, the turn itself among them. */
export const siblingsOf = (of: Conversation, turn: Turn): Turn[] =>
  Object.values(of.turns).filter((one) => one.parent === turn.parent && one.role === turn.role);

/** Shows the path through `id`, to the newest turn behind it. */
export function show(of: Conversation, id: string): Conversation {
  const newest = new Map<string, string>();
  for (const turn of Object.values(of.turns)) if (turn.parent !== null) newest.set(turn.parent, turn.id);
  let leaf = id;
  for (let next = newest.get(leaf); next !== undefined; next = newest.get(leaf)) leaf = next;
  return { ...of, leaf };
}

/** An answer that was cut off when the page was closed has stopped. */
export function settled(of: Conversation): Conversation {
  const turns = { ...of.turns };
  for (const turn of Object.values(turns))
    if (turn.answer && (turn.answer.state === 'waiting' || turn.answer.state === 'running'))
      turns[turn.id] = { ...turn, answer: { ...turn.answer, state: 'stopped' } };
  return { ...of, turns };
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
