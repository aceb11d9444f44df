// Text as blocks. A block that has not changed is not drawn again, so that an answer costs what its
// last paragraph costs, however long it has become.
import type { Token } from 'marked';
import { memo } from 'preact/compat';
import { useLayoutEffect, useRef } from 'preact/hooks';

import type { GrowingText } from '../markdown';
import { rich } from '../rich';
import { CodeBlock } from './code_block';

const Block = memo(
  function Block({ block }: { block: Token; links: string }) {
    const place = useRef<HTMLDivElement>(null);
    useLayoutEffect(() => place.current!.replaceChildren(rich.value!.elementsOf(block)));
    return <div ref={place} />;
  },
  (before, after) => before.block.raw === after.block.raw && before.block.type === after.block.type && before.links === after.links,
);

export const Markdown = memo(function Markdown({ text }: { text: string }) {
  const growing = useRef<GrowingText | null>(null);
  if (!rich.value) return <div class="text"><p class="plain">{text}</p></div>;
  growing.current ??= new rich.value.GrowingText();
  const { blocks, links } = growing.current.read(text);
  return (
    <div class="text">
      {blocks.map((block, at) =>
        block.type === 'code' ? <CodeBlock key={at} text={block.text as string} language={(block.lang as string) ?? ''} />
        : block.type === 'space' || block.type === 'def' ? null
        : <Block key={at} block={block} links={links} />)}
    </div>
  );
});
