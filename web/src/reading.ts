// Answers as they come. What arrived since the last picture is shown with the next one: thirty times a
// second are enough to read by, however fast the tokens are, and four where nobody sees them.
import { computed, signal } from '@preact/signals';

import { ApiError, ask } from './api';
import { type Answer, type Speed, type Turn, asError, changeTurn } from './conversation';
import { flush, update } from './conversations';
import { type Chunk, addCalls, asChunk, chunks } from './events';
import { doorError } from './models';
import { type Exchange, begin, note, wireVersion } from './wire';

/** What a screen reader is told: not every token, but that an answer begins and ends. */
export const announcement = signal('');

const running = signal<ReadonlyMap<string, AbortController>>(new Map());
export const isRunning = computed(() => running.value.size > 0);

export function stop(): void {
  for (const abort of running.value.values()) abort.abort();
}

// A little less than two frames of a screen with 60: with the second it is due.
const SHOW_MS = 30;
const SHOW_UNSEEN_MS = 250;
const unseen = new Set<string>();

/** Told by who draws it: the turn is out of sight, or in sight again. */
export function noteSeen(id: string, is: 'seen' | 'unseen'): void {
  if (is === 'seen') unseen.delete(id);
  else unseen.add(id);
}

export class Reading {
  private readonly id: string;
  private readonly sentAt = performance.now();
  private readonly abort = new AbortController();
  private content: string;
  private answer: Answer;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private frame = 0;
  private shownAt = -Infinity;

  constructor(private readonly conversation: string, turn: Turn) {
    this.id = turn.id;
    this.content = turn.content;
    this.answer = turn.answer!;
  }

  /** Its end is told in the turn; it throws nothing. */
  async run(body: Record<string, unknown>): Promise<void> {
    running.value = new Map(running.value).set(this.id, this.abort);
    announcement.value = `${this.answer.asked.model} is answering.`;
    const exchange = begin(this.id, body);
    try {
      await this.read(body, exchange);
      this.end('done', `Answer finished, ${this.answer.speed.tokens} tokens.`);
    } catch (reason) {
      this.fail(reason, exchange);
    } finally {
      const rest = new Map(running.value);
      rest.delete(this.id);
      running.value = rest;
      wireVersion.value++;
    }
  }

  private async read(body: Record<string, unknown>, exchange: Exchange): Promise<void> {
    const response = await ask('chat/completions', { body, signal: this.abort.signal });
    exchange.status = response.status;
    exchange.headers = [...response.headers];
    if (response.headers.get('x-infe-ignored-params')?.includes('continue_final_message'))
      throw new ApiError(0, 'This server cannot go on from a text that has begun.');
    this.answer = { ...this.answer, seed: response.headers.get('x-infe-seed') ?? undefined };
    if (body.stream === false) {
      const text = await response.text();
      note(exchange, text);
      return this.take(asChunk(text));
    }
    for await (const chunk of chunks(response, (event) => note(exchange, event))) this.take(chunk);
  }

  private fail(reason: unknown, exchange: Exchange): void {
    if (this.abort.signal.aborted) return this.end('stopped', 'Stopped.');
    const error = reason instanceof ApiError ? reason : new ApiError(0, String(reason));
    // Not this conversation's fault: the page asks for a key.
    if (error.status === 401) doorError.value = error;
    if (exchange.status === undefined) {
      exchange.status = error.status;
      note(exchange, error.body ?? error.message);
    }
    this.answer = { ...this.answer, error: asError(error) };
    this.end('failed', error.message);
  }

  private elapsed = () => performance.now() - this.sentAt;

  private setSpeed(change: Partial<Speed>): void {
    this.answer = { ...this.answer, speed: { ...this.answer.speed, ...change } };
  }

  private take(chunk: Chunk): void {
    const choice = chunk.choices[0];
    const { content, reasoning_content, tool_calls } = choice?.delta ?? {};
    if (content || reasoning_content || tool_calls) {
      this.content += content ?? '';
      this.answer = { ...this.answer, state: 'running', reasoning: this.answer.reasoning + (reasoning_content ?? '') };
      if (tool_calls) this.answer.calls = addCalls(this.answer.calls, tool_calls);
      this.setSpeed({ firstMs: this.answer.speed.firstMs ?? this.elapsed(), tokens: this.answer.speed.tokens + 1 });
    }
    const scores = choice?.logprobs?.content;
    if (scores) this.answer = { ...this.answer, tokens: [...(this.answer.tokens ?? []), ...scores] };
    if (choice?.finish_reason) this.answer = { ...this.answer, finish: choice.finish_reason };
    this.takeCounts(chunk);
    this.showSoon();
  }

  private showSoon(): void {
    if (this.timer !== undefined || this.frame !== 0) return;
    const wait = (unseen.has(this.id) ? SHOW_UNSEEN_MS : SHOW_MS) - (performance.now() - this.shownAt);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.show();
      });
    }, Math.max(0, wait));
  }

  private takeCounts({ usage, timings, system_fingerprint, seed }: Chunk): void {
    if (system_fingerprint) this.answer.fingerprint = system_fingerprint;
    if (seed !== undefined) this.answer = { ...this.answer, seed: this.answer.seed ?? String(seed) };
    if (usage)
      this.setSpeed({
        tokens: usage.completion_tokens, isCounted: true, promptTokens: usage.prompt_tokens,
        cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
        reasoningTokens: usage.completion_tokens_details?.reasoning_tokens ?? 0,
      });
    if (timings)
      this.setSpeed({
        queueMs: timings.queue_ms, prefillMs: timings.prefill_ms, decodeRate: timings.decode_tokens_per_second,
        draftedTokens: timings.drafted_tokens, acceptedTokens: timings.accepted_tokens,
      });
  }

  private end(state: Answer['state'], words: string): void {
    this.setSpeed({ endMs: this.elapsed() });
    this.answer = { ...this.answer, state };
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    unseen.delete(this.id);
    this.show();
    void flush();
    announcement.value = words;
  }

  private show(): void {
    this.shownAt = performance.now();
    const speed = this.answer.speed;
    // While it runs, the end is now.
    const answer = this.answer.state === 'running' ? { ...this.answer, speed: { ...speed, endMs: this.elapsed() } } : { ...this.answer };
    update(this.conversation, (of) => changeTurn(of, this.id, (turn) => ({ ...turn, content: this.content, answer })));
    wireVersion.value++;
  }
}
