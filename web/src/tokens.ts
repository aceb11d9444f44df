// The tokens of an answer with their probabilities, and what it would begin with if another one had
// been drawn.
import { ApiError, ask } from './api';
import { type Turn, changeTurn, pathOf } from './conversation';
import { conversation, find, update } from './conversations';
import { type Alternative, type TokenScore, asChunk } from './events';
import { messagesOf } from './request';

// Of each token.
const ALTERNATIVES = 8;

const encoder = new TextEncoder();
export const bytesOf = (text: string): Uint8Array => encoder.encode(text);
export const percent = (logprob: number): string => {
  const part = 100 * Math.exp(logprob);
  return part >= 99.95 ? '100%' : part >= 0.1 ? `${part.toFixed(1)}%` : '<0.1%';
};

/** As it can be seen: spaces and line ends, too. */
export const visible = (token: string): string => token.replace(/\n/g, '⏎').replace(/\t/g, '⇥').replace(/ /g, '·') || '∅';

/** From 0, sure, to 4, a surprise. */
export function levelOf(logprob: number): number {
  const part = Math.exp(logprob);
  return part > 0.9 ? 0 : part > 0.6 ? 1 : part > 0.3 ? 2 : part > 0.1 ? 3 : 4;
}

/** The text up to token `at`, with `other` in its place; undefined where that is no whole text, or an end. */
export function textWith(turn: Turn, at: number, other: Alternative): string | undefined {
  const { kept = '', tokens = [] } = turn.answer!;
  const bytes: number[] = [];
  for (const token of [...tokens.slice(0, at), other]) {
    if (!token.bytes) return undefined;
    bytes.push(...token.bytes);
  }
  try {
    return kept + new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(bytes));
  } catch {
    return undefined;
  }
}

/** The same bytes: what was said, thought and called. */
export const wholeOf = (turn: Turn): string =>
  [turn.answer!.reasoning, turn.content, ...turn.answer!.calls.map((call) => `${call.function.name}(${call.function.arguments})`)].join('\0');

/** Index of the first byte that differs, or undefined. */
export function firstDifference(a: string, b: string): number | undefined {
  const [left, right] = [bytesOf(a), bytesOf(b)];
  const length = Math.max(left.length, right.length);
  for (let at = 0; at < length; at++) if (left[at] !== right[at]) return at;
  return undefined;
}

/** Asks once more with the answer's seed, which gives the same bytes, and their probabilities with them.
 * Throws ApiError. */
export async function loadTokens(turn: Turn): Promise<void> {
  const { id } = conversation.value;
  const { asked, seed, speed, state, kept } = turn.answer!;
  const { stream_options: _, ...fields } = asked.fields;
  const messages = messagesOf(pathOf(find(id)!, turn.parent), asked.system);
  if (kept !== undefined) messages.push({ role: 'assistant', content: kept });
  const body = {
    model: asked.model, messages, ...fields, stream: false, logprobs: true, top_logprobs: ALTERNATIVES,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(kept === undefined ? {} : { continue_final_message: true, add_generation_prompt: false }),
    ...(state === 'stopped' ? { max_completion_tokens: Math.max(1, speed.tokens) } : {}),
  };
  const choice = asChunk(await (await ask('chat/completions', { body })).text()).choices[0];
  const tokens: TokenScore[] = choice?.logprobs?.content ?? [];
  const content = (kept ?? '') + (choice?.delta.content ?? '');
  if (state === 'done' && content !== turn.content)
    throw new ApiError(0, 'The server gave another text this time: it may have been restarted with other settings.');
  update(id, (of) => changeTurn(of, turn.id, (one) => ({ ...one, answer: { ...one.answer!, tokens } })));
}
