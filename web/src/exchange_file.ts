// The file that conversations travel in, and what else can be read as one: a list of messages, or a
// request's body.
import { type Asked, type Conversation, type Turn, newConversation, newId, settled } from './conversation';
import type { ToolCall } from './events';

const FORMAT = 'infe.conversations';
const VERSION = 1;

export const asFile = (conversations: Conversation[]): string =>
  JSON.stringify({ format: FORMAT, version: VERSION, conversations }, null, 1);

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const asText = (value: unknown): string => (typeof value === 'string' ? value : '');

function isTurn(value: unknown): value is Turn {
  if (!isObject(value) || typeof value.content !== 'string' || typeof value.id !== 'string') return false;
  if (value.parent !== null && typeof value.parent !== 'string') return false;
  if (value.role === 'user' || value.role === 'tool') return value.answer === undefined;
  if (value.role !== 'assistant' || !isObject(value.answer)) return false;
  const { state, asked, calls, speed, reasoning } = value.answer;
  return typeof state === 'string' && typeof reasoning === 'string' && Array.isArray(calls) && isObject(speed) && isObject(asked) && isObject(asked.fields);
}

function conversationOf(value: unknown, at: number): Conversation {
  const where = `conversation ${at + 1}`;
  if (!isObject(value) || !isObject(value.turns)) throw new Error(`${where} has no turns`);
  const turns = Object.values(value.turns);
  for (const turn of turns) if (!isTurn(turn)) throw new Error(`${where} has a turn that is none`);
  const byId = Object.fromEntries((turns as Turn[]).map((turn) => [turn.id, turn]));
  // A path that never ends would hold up the page.
  for (const turn of turns as Turn[]) {
    const seen = new Set<string>();
    for (let up: Turn | undefined = turn; up; up = up.parent === null ? undefined : byId[up.parent]) {
      if (seen.has(up.id)) throw new Error(`${where} has a turn before itself`);
      seen.add(up.id);
    }
  }
  const leaf = typeof value.leaf === 'string' && byId[value.leaf] ? value.leaf : null;
  // An id of its own: what is here already stays as it is.
  return settled({ id: newId(), title: asText(value.title), changedAt: Date.now() - at, turns: byId, leaf });
}

const partsAsText = (content: unknown): string =>
  Array.isArray(content) ? content.map((part) => (isObject(part) ? asText(part.text) : '')).join('\n') : asText(content);

/** Messages as the API has them, in a row. */
function conversationOfMessages(messages: unknown[]): Conversation {
  const conversation = newConversation();
  let parent: string | null = null;
  const asked: Asked = { model: 'imported', system: '', fields: {} };
  for (const message of messages) {
    if (!isObject(message)) throw new Error('a message is no object');
    const { role } = message;
    const content = partsAsText(message.content);
    if (role === 'system' || role === 'developer') {
      asked.system = content;
      continue;
    }
    const turn: Turn = { id: newId(), parent, role: 'user', content };
    if (typeof message.name === 'string') turn.name = message.name;
    if (role === 'assistant') {
      turn.role = 'assistant';
      const calls = (Array.isArray(message.tool_calls) ? message.tool_calls : []) as ToolCall[];
      turn.answer = { state: 'done', asked, reasoning: '', calls, speed: { tokens: 0, isCounted: false } };
    } else if (role === 'tool') {
      turn.role = 'tool';
      turn.callId = asText(message.tool_call_id);
    } else if (role !== 'user') {
      throw new Error(`a message has the role ${JSON.stringify(role)}`);
    }
    conversation.turns[turn.id] = turn;
    conversation.leaf = parent = turn.id;
  }
  if (conversation.leaf === null) throw new Error('there are no messages in it');
  return conversation;
}

/** Throws Error with words for a person. */
export function fromFile(text: string): Conversation[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (reason) {
    throw new Error(`This is no JSON: ${(reason as Error).message}`);
  }
  if (Array.isArray(file)) return [conversationOfMessages(file)];
  if (isObject(file) && Array.isArray(file.messages)) return [conversationOfMessages(file.messages)];
  if (!isObject(file) || file.format !== FORMAT || !Array.isArray(file.conversations))
    throw new Error('This file holds no conversations and no messages.');
  if (file.version !== VERSION) throw new Error(`This file is of version ${String(file.version)}; this page knows ${VERSION}.`);
  return file.conversations.map(conversationOf);
}
