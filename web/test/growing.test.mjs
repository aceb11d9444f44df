// An answer is drawn from its last blocks on as it grows: at its end it must stand there as if it had been
// drawn whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered, ask, behindProxy, server, visit } from './page.mjs';

// Of what may become something else with what comes behind it.
const TEXTS = {
  'lists that go on over blank lines': '1. one\n\n2. two\n\n   more of two\n\n3. three\n\n- a\n\n- b\n  - c\n\n    d\n\nEnd.\n\n2\n\n2. x',
  'headings by what stands beneath': 'A heading\n===\n\nText\nmore\n---\n\n# Another #\n\n***\nText\n\n***',
  'tables and quotes': '| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\nlazily\n\n> > deeper\n\nText | no table',
  'code with and without fences': 'Text\n\n```python\nprint(1)\n\n# no heading\n```\n\n    indented\n\n    again\n\n~~~\nopen to the end\n\n- no list',
  'links that are defined before and behind': '[one][1] and [two]\n\n[1]: https://example.org/1\n\nText, [one][1].\n\n- [one][1]\n\n[two]: https://example.org/2\n\nAt last [two].',
  'line ends of other systems': 'A\r\n\r\n- b\r\n- c\r\n\r\nd\r\n\r\n```\r\ne\r\n```\r\n\r\nf\r\n\r\ng',
  'HTML and tabs': '<div>\n\nText\n\n</div>\n\n<b>bold</b>\n\n-\ttab\n\n\tcode\n\n\nEnd\n\n\n',
};

const chunk = (delta, finish_reason = null) => `data: ${JSON.stringify({
  id: 'x', object: 'chat.completion.chunk', created: 1, model: 'smollm2-135m', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;

/** In the page: whether an answer that has come to its end is in its database. */
const KEPT = async () => {
  const [{ name }] = await indexedDB.databases();
  const opened = await new Promise((resolve) => { indexedDB.open(name).onsuccess = ({ target }) => resolve(target.result); });
  const all = await new Promise((resolve) => { opened.transaction('whole').objectStore('whole').getAll().onsuccess = ({ target }) => resolve(target.result); });
  opened.close();
  return all.some(({ turns }) => Object.values(turns).some(({ answer }) => answer?.state === 'done'));
};

/** `text` as an answer, in pieces that the page sees come one after the other. */
async function answerWith(text, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  // Sooner or later a piece ends at every place.
  for (let at = 0; at < text.length; at += 3) {
    response.write(chunk({ content: text.slice(at, at + 3) }));
    await new Promise((resolve) => setTimeout(resolve, 12));
  }
  response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
}

for (const [name, text] of Object.entries(TEXTS))
  test(`an answer that has grown is what it is when it is drawn whole: ${name}`, async () => {
    await behindProxy(server.root, '', (root) => visit(async (page) => {
      await ask(page, 'Write.');
      await answered(page);
      const drawn = () => page.locator('.assistant .text').innerHTML();
      const grown = await drawn();
      assert.doesNotMatch(grown, /class="plain"/);
      await page.waitForFunction(KEPT);
      await page.reload();
      await page.locator('.assistant .text > :not(.plain)').first().waitFor();
      assert.equal(await drawn(), grown);
    }, { root, address: `${root}/#key=${server.key}` }), (request, response) => {
      if (request.url !== '/v1/chat/completions') return false;
      void answerWith(text, response);
      return true;
    });
  });
