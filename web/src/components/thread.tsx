// The turns that are shown. It follows the end of a growing answer for as long as the reader does.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

import type { Conversation, Turn } from '../conversation';
import { conversation, path } from '../conversations';
import { TurnView } from './turn_view';

// Nearer than this to the end, in CSS pixels, a reader is taken to be at the end.
const NEAR_PX = 48;

// Of each turn its siblings' ids: as text, so that a turn whose siblings are the same is not drawn again.
function familiesOf(of: Conversation): Map<string, string> {
  const families = new Map<string, string>();
  for (const { id, parent, role } of Object.values(of.turns)) {
    const family = `${parent} ${role}`;
    families.set(family, families.has(family) ? `${families.get(family)} ${id}` : id);
  }
  return families;
}

export function Thread() {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const turns = path.value;
  const all = conversation.value;
  const families = familiesOf(all);
  const twinOf = (turn: Turn) => (turn.beside === undefined ? undefined : all.turns[turn.beside]);
  useEffect(() => { isAtEnd.current = true; }, [turns.length, all.id]);
  useLayoutEffect(() => {
    if (isAtEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [turns]);
  return (
    <div class="thread" ref={box} tabindex={0} role="region" aria-label="Conversation"
      onScroll={({ currentTarget: at }) => { isAtEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_PX; }}>
      <ol>
        {turns.map((turn, at) => (
          <TurnView key={turn.parent ?? 'first'} turn={turn} twin={twinOf(turn)} isLast={at === turns.length - 1}
            siblings={families.get(`${turn.parent} ${turn.role}`)!} />
        ))}
      </ol>
    </div>
  );
}
