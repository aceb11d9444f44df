// The playground in a browser, against the real server: node --test, started by `tools/web test`.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ENDLESS, answered, ask, behindProxy, checkAccess, inkOf, server, setUp, visit } from './page.mjs';

// Of everything that a first visit loads, as it travels.
const WEIGHT_MAX = 250_000;

test('the first visit comes to its first answer, with its speed', async () => {
  await visit(async (page) => {
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
    await setUp(page, { 'Longest answer': '24' });
    await ask(page, 'Say hello.');
    await answered(page);
    assert.notEqual(await page.locator('.assistant .text').innerText(), '');
    const speed = await page.locator('.speed').innerText();
    for (const fact of [/first token\s+[\d.]+ m?s/, /speed\s+[\d.]+ tokens\/s/, /answer\s+\d+ tokens/, /prompt\s+\d+ tokens/, /cached\s+\d+ tokens/])
      assert.match(speed, fact);
    assert.doesNotMatch(speed, /~/, 'the server’s own count');
    assert.equal(await page.getByRole('status').innerText(), `Answer finished, ${/answer\s+(\d+)/.exec(speed)[1]} tokens.`);
  });
});

test('a conversation goes on: the second prompt holds the first answer, from the cache', async () => {
  await visit(async (page) => {
    // The cache keeps blocks of 32 tokens, however short the answer is.
    await setUp(page, { 'Longest answer': '16', 'System prompt': 'You are a quiet machine. '.repeat(8) });
    await ask(page, 'Name a colour.');
    await answered(page);
    await ask(page, 'Another one.');
    await answered(page, 2);
    const cached = /cached\s+(\d+)/.exec(await page.locator('.speed').nth(1).innerText())[1];
    assert.ok(Number(cached) >= 32, `cached ${cached}`);
    assert.equal(await page.locator('.turn').count(), 4);
  });
});

test('the key of the link leaves the address bar and is in no request line', async () => {
  const seen = [];
  await visit(async (page, context) => {
    context.on('request', (request) => seen.push(request.url()));
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
    assert.equal(page.url(), `${server.root}/`);
    await page.reload();
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
    assert.ok(seen.length > 0 && seen.every((url) => !url.includes(server.key)));
  });
});

test('an answer stops at once and keeps what had come', async () => {
  await visit(async (page) => {
    await setUp(page, ENDLESS);
    await ask(page, 'Count from one to one thousand, in words.');
    await page.locator('.assistant[data-state=running] .text').filter({ hasText: /\w/ }).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped here.').waitFor();
    // Not innerText: that is empty of what is not laid out yet, or not any more.
    const text = await page.locator('.assistant .text').textContent();
    assert.match(text, /\w/);
    await ask(page, 'And now?');
    await page.locator('.assistant').nth(1).locator('.speed').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.assistant[data-state=stopped]').nth(1).waitFor();
    assert.equal(await page.locator('.assistant .text').first().textContent(), text);
  });
});

test('without a key, and with a wrong one, the server’s words are shown and a right one helps', async () => {
  await visit(async (page) => {
    const dialog = page.getByRole('dialog');
    await dialog.getByText('You didn\'t provide an API key').waitFor();
    await dialog.getByLabel('Key', { exact: true }).fill('sk-wrong');
    await dialog.getByRole('button', { name: 'Use this key' }).click();
    await dialog.getByText('Incorrect API key provided').waitFor();
    await dialog.getByLabel('Key', { exact: true }).fill(server.key);
    await dialog.getByRole('button', { name: 'Use this key' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
  }, { address: server.root, faultsMayBe: [/status of 401/] });
});

test('a parameter out of range is told in the server’s words, at its name', async () => {
  await visit(async (page) => {
    await setUp(page, { Temperature: '9' });
    await ask(page, 'Hello');
    const alert = page.locator('.turn').getByRole('alert');
    await alert.waitFor();
    assert.match(await alert.innerText(), /Error 400 at temperature.*2/s);
  }, { faultsMayBe: [/status of 400/] });
});

test('what a model writes can load nothing, run nothing and look like nothing of ours', async () => {
  const hostile = [
    '# Title\n\n**bold** and `code`\n\n```python\nprint("<b>")\n```\n',
    '<img src="http://203.0.113.1/x.png" onerror="window.hacked=1">',
    '![p](http://203.0.113.1/y.png)',
    '<script>window.hacked=1</script><style>body{display:none}</style><form action="/v1"><button>go</button></form>',
    '[click](javascript:window.hacked=1) <a href="http://203.0.113.1/" target="_self" onclick="window.hacked=1">go</a>',
    '<p class="trouble" style="position:fixed">Your key, please</p><svg onload="window.hacked=1"></svg><iframe src="/"></iframe>',
  ].join('\n\n');
  await visit(async (page) => {
    await page.route('**/v1/chat/completions', (route) => route.fulfill({
      contentType: 'text/event-stream',
      body: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: hostile }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`,
    }));
    await ask(page, 'Hello');
    await answered(page);
    const text = page.locator('.assistant .text');
    assert.equal(await text.locator('strong').innerText(), 'bold');
    assert.equal(await text.locator('figure code').innerText(), 'print("<b>")');
    assert.match(await text.innerText(), /<img src="http:/, 'HTML is shown as text');
    assert.equal(await text.locator('img, script, style, form, svg:not(.icon), iframe, [style], [onclick], .trouble').count(), 0);
    for (const link of await text.locator('a[href]').all()) {
      assert.match(await link.getAttribute('href'), /^http:/);
      assert.match(await link.getAttribute('rel'), /noopener noreferrer/);
      assert.equal(await link.getAttribute('target'), '_blank');
    }
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  });
});

test('a first visit weighs little, and a second one loads the page alone', async () => {
  await visit(async (page) => {
    let bytes = 0;
    let asked = [];
    page.on('requestfinished', async (request) => {
      asked.push(new URL(request.url()).pathname);
      const { responseBodySize, responseHeadersSize } = await request.sizes();
      bytes += responseBodySize + responseHeadersSize;
    });
    await page.goto(server.link);
    await page.reload();
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
    await page.waitForLoadState('networkidle');
    assert.ok(bytes > 20_000 && bytes <= WEIGHT_MAX, `${bytes} bytes`);
    assert.ok(asked.some((path) => /^\/web\/.*\.js$/.test(path)), asked.join());
  }, { address: 'about:blank' });
  const index = await fetch(server.root, { headers: { Accept: 'text/html' } });
  assert.equal(index.headers.get('cache-control'), 'no-cache');
  assert.match(index.headers.get('content-security-policy'), /^default-src 'self';/);
  const names = [...(await index.text()).matchAll(/(?:src|href)="\.\/(web\/[^"]+)"/g)].map((found) => found[1]);
  assert.ok(names.length >= 3);
  for (const name of names) {
    const file = await fetch(`${server.root}/${name}`);
    assert.equal(file.headers.get('content-encoding'), 'gzip');
    assert.match(file.headers.get('cache-control'), /immutable/);
    const again = await fetch(`${server.root}/${name}`, { headers: { 'If-None-Match': file.headers.get('etag') } });
    assert.equal(again.status, 304);
    const plain = await fetch(`${server.root}/${name}`, { headers: { 'Accept-Encoding': 'identity' } });
    assert.equal(plain.headers.get('content-encoding'), null);
    assert.equal(await plain.text(), await file.text());
  }
  assert.equal((await fetch(`${server.root}/web/none.js`)).status, 404);
});

test('a client that asks for no page gets its line of JSON', async () => {
  const answer = await fetch(server.root);
  assert.deepEqual(await answer.json(), { name: 'infe', docs: '/', api: '/v1' });
});

test('it works under a path of a proxy', async () => {
  await behindProxy(server.root, '/deep/infe', (root) => visit(async (page) => {
    await setUp(page, { 'Longest answer': '8' });
    await ask(page, 'Hello');
    await answered(page);
  }, { address: `${root}/#key=${server.key}`, root }));
});

test('where text must be something is drawn', async () => {
  for (const colorScheme of ['light', 'dark'])
    await visit(async (page) => {
      await setUp(page, { 'Longest answer': '8', ...ENDLESS });
      const places = [page.getByRole('heading', { name: 'smollm2-135m' }), page.locator('header h1 .word')];
      for (const place of places) {
        const ink = await inkOf(place);
        assert.ok(ink > .01 && ink < .6, `${colorScheme}, ${place}: ${ink}`);
      }
      await ask(page, 'Hello');
      await answered(page);
      for (const place of [page.locator('.bubble'), page.locator('.assistant .text'), page.locator('.speed')]) {
        const ink = await inkOf(place);
        assert.ok(ink > .002 && ink < .6, `${colorScheme}, ${place}: ${ink}`);
      }
    }, { colorScheme });
});

test('the keyboard is enough, and the focus stays where one writes', async () => {
  await visit(async (page) => {
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the message field');
    await page.keyboard.press('Enter');
    await page.keyboard.type('One line,');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('and another');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('.bubble').innerText(), 'One line,\nand another');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'prompt');
    await page.locator('.assistant').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Send' }).waitFor();
  });
});

for (const [name, options] of Object.entries({
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 360, height: 640 } },
}))
  test(`no serious fault for a person who cannot see it well: ${name}`, async () => {
    await visit(async (page) => {
      await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
      await checkAccess(page, 'welcome');
      await setUp(page, { 'Longest answer': '24' });
      await ask(page, 'Write a line of Python.');
      await answered(page);
      await checkAccess(page, 'conversation');
      await page.getByRole('button', { name: 'Settings', exact: true }).click();
      await checkAccess(page, 'settings');
      await page.getByRole('button', { name: 'Close settings' }).click();
      await page.getByRole('button', { name: 'API key' }).click();
      await page.getByRole('dialog').waitFor();
      await checkAccess(page, 'key');
    }, options);
  });

test('a server that goes away is told, and one that is back is found', async () => {
  await visit(async (page) => {
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
    await page.route('**/v1/**', (route) => route.abort('connectionrefused'));
    await ask(page, 'Are you there?');
    await page.locator('.turn').getByText('The server cannot be reached').waitFor();
    await page.unroute('**/v1/**');
    await setUp(page, { 'Longest answer': '8' });
    await ask(page, 'And now?');
    await answered(page);
  }, { faultsMayBe: [/ERR_CONNECTION_REFUSED/] });
});
