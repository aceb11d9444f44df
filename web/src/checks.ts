// Whether the server takes tools or a schema, in its own words: it is asked for an answer of one token,
// since only a request that generates makes it compile them.
import { ApiError, ask } from './api';
import { model } from './models';

export interface Verdict {
  isFine: boolean;
  words: string;
}

interface Answered {
  usage: { prompt_tokens: number };
  x_unenforced?: unknown[];
}

/** Throws what abort() throws. */
export async function check(fields: () => Record<string, unknown>, signal: AbortSignal): Promise<Verdict> {
  try {
    if (!model.value) return { isFine: false, words: 'No model is there to ask.' };
    const body = { model: model.value.id, messages: [{ role: 'user', content: 'x' }], ...fields(), max_completion_tokens: 1 };
    const answered = (await (await ask('chat/completions', { body, signal })).json()) as Answered;
    const loose = answered.x_unenforced?.length ? ` Not enforced: ${JSON.stringify(answered.x_unenforced)}.` : '';
    return { isFine: true, words: `The server takes it, with a prompt of ${answered.usage.prompt_tokens} tokens.${loose}` };
  } catch (reason) {
    if (signal.aborted || !(reason instanceof ApiError)) throw reason;
    return { isFine: false, words: reason.param ? `${reason.param}: ${reason.message}` : reason.message };
  }
}
