// The turns that are shown. It follows the end of a growing answer for as long as the reader does.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

import { path } from '../chat';
import { TurnView } from './turn_view';

// Nearer than this to the end, in CSS pixels, a reader is taken to be at the end.
const NEAR_PX = 48;

export function Thread() {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const turns = path.value;
  useEffect(() => { isAtEnd.current = true; }, [turns.length]);
  useLayoutEffect(() => {
    if (isAtEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [turns]);
  return (
    <div class="thread" ref={box} tabindex={0} role="region" aria-label="Conversation"
      onScroll={({ currentTarget: at }) => { isAtEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_PX; }}>
      <ol>{turns.map((turn) => <TurnView key={turn.id} turn={turn} />)}</ol>
    </div>
  );
}
