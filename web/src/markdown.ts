// An answer's text as blocks, and a block as safe elements. What a model writes is a stranger's text:
// it may hold no pictures (their address would tell their host who reads), no forms, no styles. HTML
// in it is shown as text, as whoever asks about HTML wants it; the sanitiser stands behind that.
import DOMPurify from 'dompurify';
import { Marked, type Token } from 'marked';

import { escapeHtml, highlight } from './highlight';

// What people do write in Markdown.
const PLAIN_TAG = /^<\/?(?:br|sub|sup|kbd|b|i|em|strong|s|del)\s*\/?>$/i;

const marked = new Marked({ gfm: true, breaks: true, async: false });
marked.use({
  renderer: {
    // Blocks inside lists and quotes; those at the top have a component (components/code_block.tsx).
    code: ({ text, lang }) => `<pre tabindex="0"><code>${highlight(text, lang ?? '')}</code></pre>`,
    html: ({ text, block }) => {
      if (PLAIN_TAG.test(text)) return text;
      return block ? `<p>${escapeHtml(text)}</p>` : escapeHtml(text);
    },
    image: ({ text, title }) => `<em>[${text || title || 'picture'}]</em>`,
  },
});

const isBlock = ({ type }: Token): boolean => type !== 'space';
// The last block may become another with what comes (a paragraph a heading, "2" the next item of the list
// before it), and take the one before it along.
const BLOCKS_OPEN = 2;

/** A text that grows at its end, as blocks: of what was seen before, only the end is read again. */
export class GrowingText {
  private kept: Token[] = [];
  private keptText = '';

  /** links: the addresses that the text defines, which any block of it may use. */
  read(text: string): { blocks: Token[]; links: string } {
    if (!text.startsWith(this.keptText)) this.forget();
    let rest = marked.lexer(text.slice(this.keptText.length));
    if (Object.keys(rest.links).length > 0) {
      this.forget();
      rest = marked.lexer(text);
      return { blocks: rest, links: JSON.stringify(rest.links) };
    }
    const blocks = [...this.kept, ...rest];
    let open = rest.length;
    for (let count = 0; open > 0 && count < BLOCKS_OPEN;) if (isBlock(rest[--open]!)) count++;
    const closed = rest.slice(0, open);
    const closedText = closed.map(({ raw }) => raw).join('');
    // What the lexer has rewritten (line ends) is not where it was: it is read again each time.
    if (text.startsWith(closedText, this.keptText.length)) {
      this.kept.push(...closed);
      this.keptText += closedText;
    }
    return { blocks, links: '' };
  }

  private forget(): void {
    this.kept = [];
    this.keptText = '';
  }
}

const RULES = {
  ALLOWED_TAGS: ['a', 'b', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'input',
    'kbd', 'li', 'ol', 'p', 'pre', 's', 'span', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'],
  ALLOWED_ATTR: ['href', 'title', 'class', 'start', 'align', 'type', 'checked', 'disabled', 'tabindex'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  RETURN_DOM_FRAGMENT: true as const,
};

export function elementsOf(block: Token): DocumentFragment {
  const fragment = DOMPurify.sanitize(marked.parser([block]), RULES);
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  // A box to tick in a list of tasks, and no other field.
  for (const input of fragment.querySelectorAll('input')) {
    if (input.type !== 'checkbox') input.remove();
    else input.disabled = true;
  }
  // Class names of ours on their text would let it look like a part of the page.
  for (const element of fragment.querySelectorAll('[class]'))
    if (!/^hljs-[\w-]+( [\w-]+_)*$/.test(element.className)) element.removeAttribute('class');
  return fragment;
}
