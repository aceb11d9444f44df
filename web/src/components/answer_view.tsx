import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { askSame, regenerate } from '../chat';
import { ApiError } from '../api';
import type { Answer, Turn } from '../conversation';
import { isRunning, noteSeen } from '../reading';
import { bytesOf, firstDifference, loadTokens, wholeOf } from '../tokens';
import { Calls } from './calls';
import { CopyButton } from './copy_button';
import { AgainIcon, SameIcon, TokensIcon, WireIcon } from './icons';
import { Markdown } from './markdown';
import { RequestDialog } from './request_dialog';
import { SpeedLine } from './speed_line';
import { TokenView } from './token_view';

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

// The same seed again: whether it gave the same bytes.
function Sameness({ turn, other }: { turn: Turn; other: Turn | undefined }) {
  const { sameAs, state } = turn.answer!;
  if (sameAs === undefined || other?.id !== sameAs || state !== 'done') return null;
  const [here, there] = [wholeOf(turn), wholeOf(other)];
  const at = firstDifference(here, there);
  if (at === undefined) return <p class="same"><strong>Equal, byte for byte</strong>: {bytesOf(here).length} bytes with the same seed.</p>;
  const words = other.answer!.state === 'stopped' && here.startsWith(there.slice(0, -1)) ? 'Equal up to where the first was stopped' : 'Not equal';
  return <p class="same">{words}: they part at byte {at}.</p>;
}

function Actions({ turn, isTokens, onTokens }: { turn: Turn; isTokens: boolean; onTokens: () => void }) {
  const [isWire, setWire] = useState(false);
  const isBusy = isRunning.value;
  const { state, seed } = turn.answer!;
  if (state === 'waiting' || state === 'running')
    return <span class="acts"><button type="button" class="quiet small" onClick={() => setWire(true)} aria-label="Request" title="What is sent, and what comes"><WireIcon /></button>
      {isWire && <RequestDialog turn={turn} onClose={() => setWire(false)} />}</span>;
  return (
    <span class="acts">
      {turn.content && <CopyButton text={turn.content} label="Copy answer" />}
      <button type="button" class="quiet small" disabled={isBusy} onClick={() => void regenerate(turn)} aria-label="Another answer" title="Another answer, with the settings of now"><AgainIcon /></button>
      {seed !== undefined && turn.beside === undefined && (
        <button type="button" class="quiet small" disabled={isBusy} onClick={() => void askSame(turn)} aria-label="Same seed again" title="The same seed again: the same bytes"><SameIcon /></button>
      )}
      {turn.content && <button type="button" class="quiet small" disabled={isBusy} aria-pressed={isTokens} onClick={onTokens} aria-label="Tokens" title="Tokens with their probabilities"><TokensIcon /></button>}
      <button type="button" class="quiet small" onClick={() => setWire(true)} aria-label="Request" title="What was sent, and what came"><WireIcon /></button>
      {isWire && <RequestDialog turn={turn} onClose={() => setWire(false)} />}
    </span>
  );
}

interface Props {
  as: 'li' | 'div';
  turn: Turn;
  other?: Turn | undefined;
  versions: JSX.Element;
  isLast: boolean;
}

export function AnswerView({ as: Tag, turn, other, versions, isLast }: Props) {
  const [isTokens, setTokens] = useState(false);
  const [trouble, setTrouble] = useState('');
  const answer = turn.answer!;
  const { state } = answer;
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    const at = place.current!;
    if (state !== 'running') return;
    const onChange = (event: Event) => {
      // Of one inside it as well: they bubble.
      if (event.target === at) noteSeen(turn.id, (event as ContentVisibilityAutoStateChangeEvent).skipped ? 'unseen' : 'seen');
    };
    at.addEventListener('contentvisibilityautostatechange', onChange);
    return () => at.removeEventListener('contentvisibilityautostatechange', onChange);
  }, [state, turn.id]);
  const onTokens = async () => {
    setTrouble('');
    setTokens(!isTokens);
    if (isTokens || answer.tokens) return;
    try {
      await loadTokens(turn);
    } catch (reason) {
      setTrouble(reason instanceof ApiError ? reason.message : String(reason));
    }
  };
  return (
    <Tag ref={place as never} class="turn assistant" data-state={state}>
      <h3>{answer.asked.model}</h3>
      {state === 'waiting' && <p class="waiting"><span class="unseen">Waiting for the first token</span><i /><i /><i /></p>}
      <Reasoning text={answer.reasoning} isOpen={!turn.content} />
      {isTokens && answer.tokens ? <TokenView turn={turn} /> : <Markdown text={turn.content} />}
      {isTokens && !answer.tokens && !trouble && <p class="note">Asking for the probabilities…</p>}
      {trouble && <p class="trouble" role="alert">{trouble}</p>}
      <Calls turn={turn} isLast={isLast} />
      <Trouble answer={answer} />
      <Sameness turn={turn} other={other} />
      <div class="under">
        <SpeedLine speed={answer.speed} isRunning={state === 'running'} seed={answer.seed} />
      </div>
      <div class="under">
        {versions}
        <Actions turn={turn} isTokens={isTokens} onTokens={() => void onTokens()} />
      </div>
    </Tag>
  );
}
