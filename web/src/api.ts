// The public API of the server that this page came from: addresses, errors, one request.
import { key } from './key';

/** Where /v1 lies, also when a proxy serves us under a path of its own. */
export const apiRoot = new URL('v1/', new URL('.', location.href));

/** An error in the server's own words, or what kept us from hearing them (status 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly param: string | null = null,
    readonly code: string | null = null,
    /** What was answered, as it came. */
    readonly body: string | null = null,
  ) {
    super(message);
  }
}

interface ErrorBody {
  error?: { message?: string; param?: string | null; code?: string | null };
}

export function errorFrom(status: number, text: string): ApiError {
  try {
    const { error } = JSON.parse(text) as ErrorBody;
    if (error?.message) return new ApiError(status, error.message, error.param ?? null, error.code ?? null, text);
  } catch {
    // No JSON: a proxy's page, say.
  }
  return new ApiError(status, text.slice(0, 300) || `The server answered ${status}.`, null, null, text);
}

/** REQUIRES: path has no leading slash. Throws ApiError, or what abort() throws. */
export async function ask(path: string, options: { method?: 'DELETE'; body?: unknown; signal?: AbortSignal } = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  if (key.value) headers.Authorization = `Bearer ${key.value}`;
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(new URL(path, apiRoot), {
      method: options.method ?? (options.body === undefined ? 'GET' : 'POST'),
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: 'omit',
      cache: 'no-store',
    });
  } catch (reason) {
    if (options.signal?.aborted) throw reason;
    throw new ApiError(0, 'The server cannot be reached. Is it still running?');
  }
  if (!response.ok) throw errorFrom(response.status, await response.text());
  return response;
}
