import { memo } from 'preact/compat';

import { highlight } from '../highlight';
import { CopyButton } from './copy_button';

export const CodeBlock = memo(function CodeBlock({ text, language }: { text: string; language: string }) {
  return (
    <figure class="code">
      <figcaption><span>{language || 'text'}</span><CopyButton text={text} label="Copy code" /></figcaption>
      <pre tabindex={0}><code dangerouslySetInnerHTML={{ __html: highlight(text, language) }} /></pre>
    </figure>
  );
});
