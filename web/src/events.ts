// Server-sent events, as the API writes them: "data: " and one line of JSON, then an empty line.
import { errorFrom } from './api';

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number };
  completion_tokens_details?: { reasoning_tokens?: number };
}

export interface ToolCallDelta {
  index: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}

export interface Chunk {
  choices: {
    index: number;
    delta: { content?: string | null; reasoning_content?: string; tool_calls?: ToolCallDelta[] };
    finish_reason: string | null;
  }[];
  usage?: Usage | null;
  seed?: number;
  system_fingerprint?: string;
  timings?: { prepare_ms: number; queue_ms: number; prefill_ms: number };
}

/** The data of each event, as text. A stream that is cut ends without its [DONE]. */
async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const event = rest.slice(0, end);
        rest = rest.slice(end + 2);
        // A line that begins with a colon keeps the connection alive and says nothing.
        if (event.startsWith('data: ')) yield event.slice(6);
      }
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** Throws ApiError for an error that comes in the middle, and where the end is missing. */
export async function* chunks(response: Response): AsyncGenerator<Chunk> {
  for await (const data of eventData(response.body!)) {
    if (data === '[DONE]') return;
    if (data.startsWith('{"error"')) throw errorFrom(response.status, data);
    yield JSON.parse(data) as Chunk;
  }
  throw errorFrom(0, 'The answer was cut off: the connection ended before the answer did.');
}
