import { memo } from 'preact/compat';

import type { Answer, Turn } from '../conversation';
import { CopyButton } from './copy_button';
import { Markdown } from './markdown';
import { SpeedLine } from './speed_line';

function Reasoning({ text, isOpen }: { text: string; isOpen: boolean }) {
  if (!text) return null;
  return <details class="reasoning" open={isOpen}><summary>Reasoning</summary><Markdown text={text} /></details>;
}

function Trouble({ answer }: { answer: Answer }) {
  if (answer.state === 'stopped') return <p class="note">Stopped here.</p>;
  if (answer.finish === 'length') return <p class="note">Cut at the longest answer that was allowed.</p>;
  if (!answer.error) return null;
  const { status, param, message } = answer.error;
  return (
    <p class="trouble" role="alert">
      <strong>{status ? `Error ${status}` : 'No answer'}{param && <> at <code>{param}</code></>}</strong> {message}
    </p>
  );
}

export const TurnView = memo(function TurnView({ turn }: { turn: Turn }) {
  if (!turn.answer)
    return <li class="turn user"><h3 class="unseen">You</h3><div class="bubble">{turn.content}</div></li>;
  const { state, reasoning, model } = turn.answer;
  return (
    <li class="turn assistant" data-state={state}>
      <h3>{model}</h3>
      {state === 'waiting' && <p class="waiting"><span class="unseen">Waiting for the first token</span><i /><i /><i /></p>}
      <Reasoning text={reasoning} isOpen={!turn.content} />
      <Markdown text={turn.content} />
      <Trouble answer={turn.answer} />
      <div class="under">
        <SpeedLine speed={turn.answer.speed} isRunning={state === 'running'} seed={turn.answer.seed} />
        {state !== 'waiting' && state !== 'running' && turn.content && <CopyButton text={turn.content} label="Copy answer" />}
      </div>
    </li>
  );
});
