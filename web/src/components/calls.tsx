// Calls that a model made, and the answer to them that a person gives in the functions' place.
import { useState } from 'preact/hooks';

import { answerCalls } from '../chat';
import type { Turn } from '../conversation';
import type { ToolCall } from '../events';
import { simulated } from '../examples';
import { asJson } from '../parameters';
import { isRunning } from '../reading';
import { CodeBlock } from './code_block';

function pretty(text: string): string {
  const value = asJson(text);
  return value === undefined ? text : JSON.stringify(value, null, 2);
}

function Results({ turn }: { turn: Turn }) {
  const { calls } = turn.answer!;
  const [texts, setTexts] = useState(() => calls.map(simulated));
  return (
    <form class="results" onSubmit={(event) => { event.preventDefault(); void answerCalls(turn, texts); }}>
      {calls.map((call, at) => (
        <label class="field" key={call.id}>
          <span>What {call.function.name} answers (simulated; change it as you like)</span>
          <textarea rows={4} value={texts[at]} onInput={({ currentTarget }) => setTexts(texts.map((one, i) => (i === at ? currentTarget.value : one)))} />
        </label>
      ))}
      <button class="main" disabled={isRunning.value}>Send {calls.length === 1 ? 'this answer' : 'these answers'}</button>
    </form>
  );
}

const Call = ({ call }: { call: ToolCall }) => (
  <li>
    <h4>Calls <code>{call.function.name}</code></h4>
    <CodeBlock text={pretty(call.function.arguments)} language="json" />
  </li>
);

export function Calls({ turn, isLast }: { turn: Turn; isLast: boolean }) {
  const { calls, state } = turn.answer!;
  if (calls.length === 0) return null;
  return (
    <>
      <ul class="calls">{calls.map((call) => <Call key={call.id} call={call} />)}</ul>
      {isLast && state === 'done' && <Results turn={turn} />}
    </>
  );
}
