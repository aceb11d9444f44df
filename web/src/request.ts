// A path of turns as the API's messages, and a request as a program would send it.
import { apiRoot } from './api';
import type { Turn } from './conversation';

type Message = Record<string, unknown>;

function messageOf(turn: Turn): Message {
  switch (turn.role) {
    case 'user':
      return { role: 'user', content: turn.content, ...(turn.name ? { name: turn.name } : {}) };
    case 'tool':
      return { role: 'tool', tool_call_id: turn.callId, content: turn.content };
    case 'assistant': {
      const { calls } = turn.answer!;
      return { role: 'assistant', content: turn.content, ...(calls.length ? { tool_calls: calls } : {}) };
    }
  }
}

export function messagesOf(path: Turn[], system: string): Message[] {
  const messages = path.map(messageOf);
  if (system.trim()) messages.unshift({ role: 'system', content: system });
  return messages;
}

const indented = (text: string, by: string): string => text.replace(/\n/g, `\n${by}`);
const shellQuoted = (text: string): string => `'${text.replace(/'/g, `'\\''`)}'`;

export function asCurl(body: Message): string {
  return `curl ${new URL('chat/completions', apiRoot)} \\
  -H "Authorization: Bearer $INFE_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d ${shellQuoted(JSON.stringify(body, null, 2))}\n`;
}

// Python's literals differ from JSON's in three words, and its strings take JSON's escapes.
function asPython(value: unknown, indent: string): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  const deeper = `${indent}    `;
  if (Array.isArray(value))
    return value.length === 0 ? '[]' : `[\n${value.map((one) => `${deeper}${asPython(one, deeper)},\n`).join('')}${indent}]`;
  if (typeof value === 'object') {
    const rows = Object.entries(value).map(([name, one]) => `${deeper}${JSON.stringify(name)}: ${asPython(one, deeper)},\n`);
    return rows.length === 0 ? '{}' : `{\n${rows.join('')}${indent}}`;
  }
  return JSON.stringify(value);
}

// What the official client takes by name; anything else goes into extra_body.
const OURS = ['top_k', 'min_p', 'repetition_penalty', 'truncation', 'continue_final_message', 'add_generation_prompt'];
const base = (): string => apiRoot.href.replace(/\/$/, '');

export function asPythonProgram(body: Message): string {
  const known = Object.entries(body).filter(([name]) => !OURS.includes(name));
  const ours = Object.fromEntries(Object.entries(body).filter(([name]) => OURS.includes(name)));
  const rows = known.map(([name, value]) => `    ${name}=${asPython(value, '    ')},\n`).join('');
  const extra = Object.keys(ours).length ? `    extra_body=${asPython(ours, '    ')},\n` : '';
  const reading = body.stream === true
    ? 'for chunk in answer:\n    if chunk.choices and chunk.choices[0].delta.content:\n        print(chunk.choices[0].delta.content, end="", flush=True)\n'
    : 'print(answer.choices[0].message.content)\n';
  return `import os

from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(base())}, api_key=os.environ["INFE_API_KEY"])
answer = client.chat.completions.create(
${rows}${extra})
${reading}`;
}

export function asNodeProgram(body: Message): string {
  const reading = body.stream === true
    ? 'for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta?.content ?? \'\');\n'
    : 'console.log(answer.choices[0].message.content);\n';
  return `import OpenAI from 'openai';

const client = new OpenAI({ baseURL: ${JSON.stringify(base())}, apiKey: process.env.INFE_API_KEY });
const answer = await client.chat.completions.create(${indented(JSON.stringify(body, null, 2), '')});
${reading}`;
}
