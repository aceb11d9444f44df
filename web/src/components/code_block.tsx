import { memo } from 'preact/compat';

import { rich } from '../rich';
import { CopyButton } from './copy_button';

export const CodeBlock = memo(function CodeBlock({ text, language }: { text: string; language: string }) {
  return (
    <figure class="code">
      <figcaption><span>{language || 'text'}</span><CopyButton text={text} label="Copy code" /></figcaption>
      <pre tabindex={0}>{rich.value
        ? <code key="coloured" dangerouslySetInnerHTML={{ __html: rich.value.highlight(text, language) }} />
        : <code key="plain">{text}</code>}</pre>
    </figure>
  );
});
