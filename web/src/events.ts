// Server-sent events, as the API writes them: "data: " and one line of JSON, then an empty line.
import { errorFrom } from './api';

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number };
  completion_tokens_details?: { reasoning_tokens?: number };
}

export interface ToolCall {
  id: string;
  type: string;
  function: { name: string; arguments: string };
}

interface ToolCallDelta {
  index: number;
  id?: string;
  type?: string;
  function?: { name?: string; arguments?: string };
}

export interface Alternative {
  token: string;
  logprob: number;
  bytes: number[] | null;
}
export interface TokenScore extends Alternative {
  top_logprobs: Alternative[];
}

export interface Timings {
  queue_ms: number;
  prefill_ms: number;
  decode_tokens_per_second: number;
  drafted_tokens: number;
  accepted_tokens: number;
}

interface Said {
  content?: string | null;
  reasoning_content?: string;
  tool_calls?: ToolCallDelta[];
}

export interface Chunk {
  choices: {
    index: number;
    delta: Said;
    logprobs?: { content: TokenScore[] | null } | null;
    finish_reason: string | null;
  }[];
  usage?: Usage | null;
  seed?: number;
  system_fingerprint?: string;
  timings?: Timings;
}

/** A whole answer is read as a stream of one chunk. */
export function asChunk(body: string): Chunk {
  const whole = JSON.parse(body) as Omit<Chunk, 'choices'> & { choices: (Omit<Chunk['choices'][0], 'delta'> & { message: Said })[] };
  return {
    ...whole,
    choices: whole.choices.map(({ message, ...rest }) => ({
      ...rest, delta: { ...message, tool_calls: message.tool_calls?.map((call, index) => ({ ...call, index })) },
    })),
  };
}

/** `calls` and what came of them now. */
export function addCalls(calls: ToolCall[], deltas: ToolCallDelta[]): ToolCall[] {
  const all = [...calls];
  for (const { index, id, type, function: part } of deltas) {
    const call = all[index] ?? { id: '', type: 'function', function: { name: '', arguments: '' } };
    all[index] = {
      id: id ?? call.id, type: type ?? call.type,
      function: { name: call.function.name + (part?.name ?? ''), arguments: call.function.arguments + (part?.arguments ?? '') },
    };
  }
  return all;
}

/** Each event as it came. A stream that is cut ends without its [DONE]. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        yield rest.slice(0, end);
        rest = rest.slice(end + 2);
      }
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** `onEvent` sees each event first, as text. Throws ApiError for an error that comes in the middle,
 * and where the end is missing. */
export async function* chunks(response: Response, onEvent: (event: string) => void): AsyncGenerator<Chunk> {
  for await (const event of events(response.body!)) {
    onEvent(event);
    // A line that begins with a colon keeps the connection alive and says nothing.
    if (!event.startsWith('data: ')) continue;
    const data = event.slice(6);
    if (data === '[DONE]') return;
    if (data.startsWith('{"error"')) throw errorFrom(response.status, data);
    yield JSON.parse(data) as Chunk;
  }
  throw errorFrom(0, 'The answer was cut off: the connection ended before the answer did.');
}
