// The conversation on the page, and the one answer that may be under way.
import { computed, signal } from '@preact/signals';

import { ApiError, ask } from './api';
import {
  type Answer, type Conversation, type Speed, type Turn, addTurn, asError, changeTurn, newConversation, newId, pathOf,
} from './conversation';
import { type Chunk, chunks } from './events';
import { doorError, model } from './models';
import { asFields, settings } from './settings';

export const conversation = signal<Conversation>(newConversation());
export const path = computed(() => pathOf(conversation.value));
/** What a screen reader is told: not every token, but that an answer begins and ends. */
export const announcement = signal('');

const running = signal<AbortController | null>(null);
export const isRunning = computed(() => running.value !== null);

export function startOver(): void {
  stop();
  conversation.value = newConversation();
}

export function stop(): void {
  running.value?.abort();
}

export function requestBody(turns: Turn[], modelId: string): Record<string, unknown> {
  const { system, values } = settings.value;
  const messages = turns.map(({ role, content }) => ({ role, content }));
  if (system.trim()) messages.unshift({ role: 'system' as 'user', content: system });
  return { model: modelId, messages, ...asFields(values), stream: true, stream_options: { include_usage: true } };
}

export async function send(text: string): Promise<void> {
  if (!model.value || isRunning.value || !text.trim()) return;
  // An exchange that came to nothing is no part of what follows: the new question stands in its place.
  const last = path.value.at(-1);
  const parent = last?.answer && !last.content ? path.value.at(-3)?.id ?? null : last?.id ?? null;
  const question: Turn = { id: newId(), parent, role: 'user', content: text };
  conversation.value = addTurn(conversation.value, question);
  await answer(question.id);
}

/** A new answer to the turn `to`, as its newest child. */
export async function answer(to: string): Promise<void> {
  const asked = model.value;
  if (!asked || isRunning.value) return;
  const turn: Turn = {
    id: newId(), parent: to, role: 'assistant', content: '',
    answer: { model: asked.id, state: 'waiting', reasoning: '', speed: { tokens: 0, isCounted: false } },
  };
  const body = requestBody(pathOf(conversation.value, to), asked.id);
  conversation.value = addTurn(conversation.value, turn);
  const abort = new AbortController();
  running.value = abort;
  announcement.value = `${asked.id} is answering.`;
  try {
    await new Reading(turn).run(body, abort);
  } finally {
    if (running.value === abort) running.value = null;
  }
}

// One answer as it comes. What arrived since the last picture is shown with the next one: sixty
// times a second are enough, however fast the tokens are.
class Reading {
  private readonly id: string;
  private readonly sentAt = performance.now();
  private content = '';
  private answer: Answer;
  private frame = 0;

  constructor(turn: Turn) {
    this.id = turn.id;
    this.answer = turn.answer!;
  }

  async run(body: unknown, abort: AbortController): Promise<void> {
    try {
      const response = await ask('chat/completions', { body, signal: abort.signal });
      this.answer = { ...this.answer, seed: response.headers.get('x-infe-seed') ?? undefined };
      for await (const chunk of chunks(response)) this.take(chunk);
      this.end('done', `Answer finished, ${this.answer.speed.tokens} tokens.`);
    } catch (reason) {
      if (abort.signal.aborted) return this.end('stopped', 'Stopped.');
      const error = reason instanceof ApiError ? reason : new ApiError(0, String(reason));
      // Not this conversation's fault: the page asks for a key.
      if (error.status === 401) doorError.value = error;
      this.answer = { ...this.answer, error: asError(error) };
      this.end('failed', error.message);
    }
  }

  private elapsed = () => performance.now() - this.sentAt;

  private setSpeed(change: Partial<Speed>): void {
    this.answer = { ...this.answer, speed: { ...this.answer.speed, ...change } };
  }

  private take(chunk: Chunk): void {
    const choice = chunk.choices[0];
    const { content, reasoning_content } = choice?.delta ?? {};
    if (content || reasoning_content) {
      this.content += content ?? '';
      this.answer = { ...this.answer, state: 'running', reasoning: this.answer.reasoning + (reasoning_content ?? '') };
      this.setSpeed({ firstMs: this.answer.speed.firstMs ?? this.elapsed(), tokens: this.answer.speed.tokens + 1 });
    }
    if (choice?.finish_reason) this.answer = { ...this.answer, finish: choice.finish_reason };
    if (chunk.usage)
      this.setSpeed({
        tokens: chunk.usage.completion_tokens, isCounted: true, promptTokens: chunk.usage.prompt_tokens,
        cachedTokens: chunk.usage.prompt_tokens_details?.cached_tokens ?? 0,
      });
    if (chunk.timings) this.setSpeed({ queueMs: chunk.timings.queue_ms, prefillMs: chunk.timings.prefill_ms });
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.show();
    });
  }

  private end(state: Answer['state'], words: string): void {
    this.setSpeed({ endMs: this.elapsed() });
    this.answer = { ...this.answer, state };
    cancelAnimationFrame(this.frame);
    this.show();
    announcement.value = words;
  }

  private show(): void {
    const speed = this.answer.speed;
    // While it runs, the end is now.
    const answer = this.answer.state === 'running' ? { ...this.answer, speed: { ...speed, endMs: this.elapsed() } } : this.answer;
    conversation.value = changeTurn(conversation.value, this.id, (turn) => ({ ...turn, content: this.content, answer }));
  }
}
