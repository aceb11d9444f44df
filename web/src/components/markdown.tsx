// Text as blocks. A block that has not changed is not drawn again, so that an answer costs what its
// last paragraph costs, however long it has become.
import type { Token } from 'marked';
import { memo } from 'preact/compat';
import { useLayoutEffect, useRef } from 'preact/hooks';

import { blocksOf, elementsOf } from '../markdown';
import { CodeBlock } from './code_block';

const Block = memo(
  function Block({ block }: { block: Token }) {
    const place = useRef<HTMLDivElement>(null);
    useLayoutEffect(() => place.current!.replaceChildren(elementsOf(block)));
    return <div ref={place} />;
  },
  (before, after) => before.block.raw === after.block.raw && before.block.type === after.block.type,
);

export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <div class="text">
      {blocksOf(text).map((block, at) =>
        block.type === 'code' ? <CodeBlock key={at} text={block.text as string} language={(block.lang as string) ?? ''} />
        : block.type === 'space' || block.type === 'def' ? null
        : <Block key={at} block={block} />)}
    </div>
  );
});
