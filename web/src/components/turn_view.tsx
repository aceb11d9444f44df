// One step of the path: a question, an answer (or two at each other's side), or what a tool answered.
import { memo } from 'preact/compat';
import { useState } from 'preact/hooks';

import { choose, edit } from '../chat';
import type { Turn } from '../conversation';
import { isRunning } from '../reading';
import { AnswerView } from './answer_view';
import { CopyButton } from './copy_button';
import { BackIcon, EditIcon, NextIcon } from './icons';

interface Props {
  turn: Turn;
  /** At its side. */
  twin: Turn | undefined;
  /** Ids of all that stand in its place, a space between them. */
  siblings: string;
  isLast: boolean;
}

function Versions({ turn, siblings }: { turn: Turn; siblings: string }) {
  const ids = siblings.split(' ');
  if (ids.length < 2) return null;
  const at = ids.indexOf(turn.id);
  return (
    <span class="versions" role="group" aria-label="Versions">
      <button type="button" class="quiet small" disabled={at === 0} onClick={() => choose(ids[at - 1]!)} aria-label="Version before"><BackIcon /></button>
      <span>{at + 1}<span aria-hidden="true">/</span><span class="unseen"> of </span>{ids.length}</span>
      <button type="button" class="quiet small" disabled={at === ids.length - 1} onClick={() => choose(ids[at + 1]!)} aria-label="Version after"><NextIcon /></button>
    </span>
  );
}

function Question({ turn, siblings }: { turn: Turn; siblings: string }) {
  const [text, setText] = useState<string | null>(null);
  if (text !== null) {
    const close = () => setText(null);
    return (
      <li class="turn user">
        <form class="edit" onSubmit={(event) => { event.preventDefault(); if (isRunning.value || !text.trim()) return; close(); void edit(turn, text); }}>
          <textarea aria-label="Edited message" rows={3} value={text} autofocus onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => { if (event.key === 'Escape') close(); }} />
          <p class="actions">
            <button type="button" onClick={close}>Cancel</button>
            <button class="main" disabled={isRunning.value || !text.trim()}>Ask this instead</button>
          </p>
        </form>
      </li>
    );
  }
  return (
    <li class="turn user">
      <h3 class="unseen">{turn.name ?? 'You'}</h3>
      <div class="bubble">{turn.content}</div>
      <div class="under">
        <Versions turn={turn} siblings={siblings} />
        <button type="button" class="quiet small" onClick={() => setText(turn.content)} aria-label="Edit" title="Edit, and ask again from here"><EditIcon /></button>
        <CopyButton text={turn.content} label="Copy question" />
      </div>
    </li>
  );
}

function ToolResult({ turn }: { turn: Turn }) {
  return (
    <li class="turn tool">
      <h3>{turn.name ?? 'tool'} answered</h3>
      <pre tabindex={0}><code>{turn.content}</code></pre>
    </li>
  );
}

export const TurnView = memo(function TurnView({ turn, twin, siblings, isLast }: Props) {
  switch (turn.role) {
    case 'user':
      return <Question turn={turn} siblings={siblings} />;
    case 'tool':
      return <ToolResult turn={turn} />;
    case 'assistant':
      break;
  }
  const versions = <Versions turn={turn} siblings={siblings} />;
  if (!twin?.answer) return <AnswerView as="li" turn={turn} versions={versions} isLast={isLast} />;
  const ids = siblings.split(' ');
  const both = ids.indexOf(twin.id) < ids.indexOf(turn.id) ? [twin, turn] : [turn, twin];
  return (
    <li class="pair">
      {both.map((one) => (
        <AnswerView as="div" key={one.id} turn={one} other={one === turn ? twin : turn} isLast={isLast && one === turn} versions={
          <button type="button" class="small" aria-pressed={one === turn} disabled={one === turn} onClick={() => choose(one.id)}>
            {one === turn ? 'Gone on from' : 'Go on from this'}
          </button>} />
      ))}
    </li>
  );
});
