// An answer as its tokens, each tinted by how sure the model was. The arrow keys go from one to the
// next; the alternatives of the one that is chosen stand below, and each begins another answer.
import { useEffect, useRef, useState } from 'preact/hooks';

import { goOnFrom } from '../chat';
import type { Turn } from '../conversation';
import type { Alternative, TokenScore } from '../events';
import { isRunning } from '../reading';
import { levelOf, percent, textWith, visible } from '../tokens';

function Alternatives({ turn, at }: { turn: Turn; at: number }) {
  const token = turn.answer!.tokens![at]!;
  const all: Alternative[] = [...token.top_logprobs];
  // What was drawn need not be among the likeliest.
  if (!all.some((one) => one.token === token.token)) all.push(token);
  return (
    <ol class="alternatives" aria-label={`Alternatives to token ${at + 1}`}>
      {all.map((one) => {
        const text = textWith(turn, at, one);
        const isDrawn = one.token === token.token;
        return (
          <li key={one.token}>
            <button type="button" disabled={isDrawn || text === undefined || isRunning.value} onClick={() => void goOnFrom(turn, text!)}
              title={isDrawn ? 'This one was drawn' : text === undefined ? 'No text of its own' : 'Take this one, and go on from there'}>
              <code>{visible(one.token)}</code>
              <meter class="unseen" min={0} max={1} value={Math.exp(one.logprob)} aria-label="Probability" />
              <span class="bar" aria-hidden="true"><i style={{ inlineSize: `${100 * Math.exp(one.logprob)}%` }} /></span>
              <span class="part">{percent(one.logprob)}</span>
              {isDrawn && <span class="unseen">drawn</span>}
            </button>
          </li>
        );
      })}
    </ol>
  );
}

export function TokenView({ turn }: { turn: Turn }) {
  const [at, setAt] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const isMoved = useRef(false);
  const tokens: TokenScore[] = turn.answer!.tokens!;
  useEffect(() => {
    if (isMoved.current) box.current?.querySelector<HTMLElement>(`[data-at="${at}"]`)?.focus();
  }, [at]);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? tokens.length - 1 : step && at + step;
    if (to === undefined || to < 0 || to >= tokens.length) return;
    event.preventDefault();
    isMoved.current = true;
    setAt(to);
  };
  const onClick = ({ target }: MouseEvent) => {
    const chosen = (target as HTMLElement).closest<HTMLElement>('[data-at]');
    if (chosen) setAt(Number(chosen.dataset.at));
  };
  if (tokens.length === 0) return <p class="note">The server told no probabilities for this answer.</p>;
  return (
    <>
      <div class="tokens" ref={box} role="group" aria-label="Tokens of the answer" onKeyDown={onKeyDown} onClick={onClick}>
        {turn.answer!.kept && <span class="kept">{turn.answer!.kept}</span>}
        {tokens.map((one, i) => (
          <button key={i} type="button" data-at={i} data-level={levelOf(one.logprob)} tabindex={i === at ? 0 : -1} aria-pressed={i === at}
            title={percent(one.logprob)}>{visible(one.token)}{one.token.includes('\n') && <br />}</button>
        ))}
      </div>
      <Alternatives turn={turn} at={Math.min(at, tokens.length - 1)} />
    </>
  );
}
