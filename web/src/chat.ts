// What a person does to the open conversation: ask, ask again, change a question, answer a call.
import { signal } from '@preact/signals';

import { ApiError } from './api';
import { type Answer, type Asked, type Turn, addTurn, asError, changeTurn, newId, pathOf, show } from './conversation';
import { conversation, find, path, update } from './conversations';
import { modelOf } from './models';
import { messagesOf } from './request';
import { Reading, isRunning } from './reading';
import { type Side, askedBy, isSideBySide, settingsOf } from './settings';

/** What the composer holds: a suggestion may fill it. */
export const draft = signal('');

const here = (change: Parameters<typeof update>[1]): void => update(conversation.value.id, change);

interface Wanted {
  asked: Asked;
  /** Why it cannot be asked. */
  error?: ApiError;
  kept?: string;
  sameAs?: string;
}

function wantedBy(side: Side): Wanted {
  const id = modelOf(side)!.id;
  try {
    return { asked: askedBy(settingsOf(side), id) };
  } catch (reason) {
    return { asked: { model: id, system: settingsOf(side).system, fields: {} }, error: reason as ApiError };
  }
}

function newAnswer(to: string, { asked, kept, sameAs }: Wanted): Turn {
  const answer: Answer = { state: 'waiting', asked, reasoning: '', calls: [], speed: { tokens: 0, isCounted: false } };
  if (kept !== undefined) answer.kept = kept;
  if (sameAs !== undefined) answer.sameAs = sameAs;
  return { id: newId(), parent: to, role: 'assistant', content: kept ?? '', answer };
}

/** New answers to the turn `to`: one, or two side by side, of which the first is gone on from. */
async function answer(to: string, wanted: Wanted[]): Promise<void> {
  const { id } = conversation.value;
  const turns = wanted.map((one) => newAnswer(to, one));
  if (turns.length === 2) [turns[0]!.beside, turns[1]!.beside] = [turns[1]!.id, turns[0]!.id];
  here((of) => ({ ...turns.reduce(addTurn, of), leaf: turns[0]!.id }));
  await Promise.all(turns.map((turn, at) => read(id, turn, wanted[at]!)));
}

async function read(of: string, turn: Turn, { asked, error, kept }: Wanted): Promise<void> {
  if (error)
    return update(of, (all) => changeTurn(all, turn.id, (one) => ({ ...one, answer: { ...one.answer!, state: 'failed', error: asError(error) } })));
  const messages = messagesOf(pathOf(find(of)!, turn.parent), asked.system);
  const goingOn = kept === undefined ? {} : { continue_final_message: true, add_generation_prompt: false };
  if (kept !== undefined) messages.push({ role: 'assistant', content: kept });
  await new Reading(of, turn).run({ model: asked.model, messages, ...asked.fields, ...goingOn });
}

const bySettings = (): Wanted[] => (isSideBySide.value ? [wantedBy('left'), wantedBy('right')] : [wantedBy('left')]);
const canAsk = (): boolean => modelOf('left') !== undefined && !isRunning.value;

function question(parent: string | null, text: string): Turn {
  const { name } = settingsOf('left');
  return { id: newId(), parent, role: 'user', content: text, ...(name.trim() ? { name: name.trim() } : {}) };
}

export async function send(text: string): Promise<void> {
  if (!canAsk() || !text.trim()) return;
  // An exchange that came to nothing is no part of what follows: the new question stands in its place.
  const last = path.value.at(-1);
  const isNothing = last?.answer && !last.content && last.answer.calls.length === 0;
  const turn = question(isNothing ? path.value.at(-2)?.parent ?? null : last?.id ?? null, text);
  here((of) => addTurn(of, turn));
  await answer(turn.id, bySettings());
}

/** Another question in the place of `turn`, as its sibling: what was said before stays. */
export async function edit(turn: Turn, text: string): Promise<void> {
  if (!canAsk() || !text.trim()) return;
  const next = question(turn.parent, text);
  here((of) => addTurn(of, next));
  await answer(next.id, bySettings());
}

/** Another answer to the same question, with the settings of now. */
export async function regenerate(turn: Turn): Promise<void> {
  if (canAsk() && turn.parent !== null) await answer(turn.parent, bySettings());
}

/** The same request with the same seed, beside the first: no byte may differ. */
export async function askSame(turn: Turn): Promise<void> {
  const { asked, seed, kept } = turn.answer!;
  if (!canAsk() || turn.parent === null || seed === undefined) return;
  const { id } = conversation.value;
  const twin: Wanted = { asked: { ...asked, fields: { ...asked.fields, seed: asSeed(seed) } }, sameAs: turn.id };
  if (kept !== undefined) twin.kept = kept;
  const second = newAnswer(turn.parent, twin);
  second.beside = turn.id;
  here((of) => ({ ...changeTurn(addTurn(of, second), turn.id, (one) => ({ ...one, beside: second.id })), leaf: of.leaf }));
  await read(id, second, twin);
}

// A seed beyond what a number holds exactly would be another one.
const asSeed = (seed: string): number | string => (Number.isSafeInteger(Number(seed)) ? Number(seed) : seed);

/** Another answer that begins with `kept` and goes on from there. */
export async function goOnFrom(turn: Turn, kept: string): Promise<void> {
  if (!canAsk() || turn.parent === null) return;
  const { seed: _, ...fields } = turn.answer!.asked.fields;
  await answer(turn.parent, [{ asked: { ...turn.answer!.asked, fields }, kept }]);
}

/** What the functions answered to the calls of `turn`, in their order; then the model goes on. */
export async function answerCalls(turn: Turn, results: string[]): Promise<void> {
  if (!canAsk()) return;
  let parent = turn.id;
  for (const [at, call] of turn.answer!.calls.entries()) {
    const result: Turn = { id: newId(), parent, role: 'tool', content: results[at] ?? '', callId: call.id, name: call.function.name };
    here((of) => addTurn(of, result));
    parent = result.id;
  }
  await answer(parent, bySettings());
}

export const choose = (turn: string): void => here((of) => show(of, turn));
