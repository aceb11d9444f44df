// What was sent for an answer and what came, as it comes; and the same request as a program.
import { useEffect, useRef, useState } from 'preact/hooks';

import { type Turn, pathOf } from '../conversation';
import { conversation } from '../conversations';
import { asCurl, asNodeProgram, asPythonProgram, messagesOf } from '../request';
import { exchangeOf, wireVersion } from '../wire';
import { CodeBlock } from './code_block';
import { CopyButton } from './copy_button';
import { Dialog } from './dialog';

type Body = Record<string, unknown>;

function bodyOf(turn: Turn): Body {
  const { asked } = turn.answer!;
  return exchangeOf(turn.id)?.body ?? { model: asked.model, messages: messagesOf(pathOf(conversation.value, turn.parent), asked.system), ...asked.fields };
}

function Events({ turn }: { turn: Turn }) {
  void wireVersion.value;
  const box = useRef<HTMLPreElement>(null);
  const shown = useRef(0);
  const exchange = exchangeOf(turn.id);
  // Only what has come since is added: a long stream is never written anew.
  useEffect(() => {
    const next = exchange?.events.slice(shown.current) ?? [];
    if (next.length === 0) return;
    const isAtEnd = box.current!.scrollHeight - box.current!.scrollTop - box.current!.clientHeight < 48;
    box.current!.append(next.map((event) => `${event}\n\n`).join(''));
    shown.current = exchange!.events.length;
    if (isAtEnd) box.current!.scrollTop = box.current!.scrollHeight;
  });
  if (!exchange) return <p class="note">Events are kept until the page is loaded anew; these came before.</p>;
  return (
    <figure class="code">
      <figcaption>
        <span>{exchange.status === undefined ? 'under way' : `status ${exchange.status}`}, {exchange.events.length} {exchange.events.length === 1 ? 'event' : 'events'}</span>
        <CopyButton text={() => exchange.events.join('\n\n')} label="Copy events" />
      </figcaption>
      <details><summary>Headers</summary><pre tabindex={0}>{exchange.headers.map(([name, value]) => `${name}: ${value}`).join('\n')}</pre></details>
      <pre ref={box} class="events" tabindex={0} aria-label="Events" />
      {exchange.isCut && <p class="note">There is more than a page can show.</p>}
    </figure>
  );
}

const TABS: [string, (body: Body, turn: Turn) => preact.JSX.Element][] = [
  ['Request', (body) => <CodeBlock text={JSON.stringify(body, null, 2)} language="json" />],
  ['Events', (_, turn) => <Events turn={turn} />],
  ['curl', (body) => <CodeBlock text={asCurl(body)} language="bash" />],
  ['Python', (body) => <CodeBlock text={asPythonProgram(body)} language="python" />],
  ['Node', (body) => <CodeBlock text={asNodeProgram(body)} language="javascript" />],
];

export function RequestDialog({ turn, onClose }: { turn: Turn; onClose: () => void }) {
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: TABS.length - 1 }[event.key];
    if (step === undefined) return;
    const to = (at + step) % TABS.length;
    setAt(to);
    list.current!.querySelectorAll<HTMLElement>('[role=tab]')[to]!.focus();
  };
  return (
    <Dialog title="Request" isWide onClose={onClose}>
      <div class="tabs" ref={list} role="tablist" aria-label="Request" onKeyDown={onKeyDown}>
        {TABS.map(([name], i) => (
          <button key={name} type="button" role="tab" id={`tab-${i}`} aria-selected={i === at} aria-controls="tab-panel" tabindex={i === at ? 0 : -1} onClick={() => setAt(i)}>{name}</button>
        ))}
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${at}`} key={at}>{TABS[at]![1](bodyOf(turn), turn)}</div>
    </Dialog>
  );
}
