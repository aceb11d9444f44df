// What can be seen of an answer: its speed, its tokens, itself again, another at its side, its request.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { ENDLESS, PATIENCE_MS, answered, ask, checkAccess, openSettings, server, setUp, visit } from './page.mjs';

const run = promisify(execFile);
const posts = (page) => {
  const bodies = [];
  page.on('request', (request) => { if (request.method() === 'POST') bodies.push(request.postDataJSON()); });
  return bodies;
};

test('drafted tokens are told as the server counted them', async () => {
  await visit(async (page) => {
    await setUp(page, { 'Longest answer': '24' });
    await ask(page, 'Repeat: one two three one two three one two three');
    await answered(page);
    await page.getByRole('button', { name: 'Request', exact: true }).click();
    await page.getByRole('tab', { name: 'Events' }).click();
    await page.locator('.events').filter({ hasText: '"timings"' }).waitFor();
    const { timings } = JSON.parse((await page.locator('.events').innerText()).split('\n').filter((line) => line.startsWith('data: {')).at(-1).slice(6));
    assert.match(await page.locator('.speed').innerText(), new RegExp(`drafted\\s+${timings.accepted_tokens} of ${timings.drafted_tokens} taken`));
  });
});

test('the same seed again is shown equal byte by byte', async () => {
  await visit(async (page) => {
    await setUp(page, { 'Longest answer': '24', ...ENDLESS });
    await ask(page, 'Say something odd.');
    await answered(page);
    await page.getByRole('button', { name: 'Same seed again' }).click();
    await page.getByText('Equal, byte for byte').waitFor();
    const [left, right] = await page.locator('.pair .text').allInnerTexts();
    assert.equal(right, left);
    assert.equal(await page.locator('.turn').count(), 3);
  });
});

test('answers that differ are not shown equal', async () => {
  await visit(async (page) => {
    await setUp(page, { 'Longest answer': '8' });
    const say = (content) => (route) => route.fulfill({
      contentType: 'text/event-stream', headers: { 'x-infe-seed': '5' },
      body: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`,
    });
    await page.route('**/v1/chat/completions', say('Höhe 1'));
    await ask(page, 'Hello');
    await answered(page);
    await page.unroute('**/v1/chat/completions');
    await page.route('**/v1/chat/completions', say('Höhe 2'));
    await page.getByRole('button', { name: 'Same seed again' }).click();
    // Two NULs stand before: of no reasoning, and the ö has two bytes.
    await page.getByText(/Not equal: they part at byte \d+/).waitFor();
    assert.equal(await page.getByText('Equal, byte for byte').count(), 0);
  });
});

test('tokens are shown with probabilities and alternatives, for an answer that was asked without', async () => {
  await visit(async (page) => {
    const bodies = posts(page);
    await setUp(page, { 'Longest answer': '12', ...ENDLESS });
    await ask(page, 'Name a colour.');
    await answered(page);
    await page.getByRole('button', { name: 'Tokens', exact: true }).click();
    const tokens = page.getByRole('group', { name: 'Tokens of the answer' }).getByRole('button');
    await tokens.nth(11).waitFor();
    assert.equal(await tokens.count(), 12);
    assert.equal(bodies.at(-1).logprobs, true);
    await tokens.first().focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(await tokens.nth(1).getAttribute('aria-pressed'), 'true');
    const others = page.getByRole('list', { name: 'Alternatives to token 2' }).getByRole('button');
    assert.ok((await others.count()) >= 8);
    const parts = (await others.allInnerTexts()).map((text) => Number(/([\d.]+)%/.exec(text)[1]));
    assert.ok(parts[0] >= parts[1] && parts[1] >= parts[2], parts.join());
    await checkAccess(page, 'tokens');
  });
});

test('an alternative is picked, and another answer goes on from there', async () => {
  await visit(async (page) => {
    const bodies = posts(page);
    await setUp(page, { 'Longest answer': '8', Seed: '3', ...ENDLESS });
    await ask(page, 'Name a colour.');
    await answered(page);
    const first = await page.locator('.assistant .text').innerText();
    await page.getByRole('button', { name: 'Tokens', exact: true }).click();
    const tokens = page.getByRole('group', { name: 'Tokens of the answer' }).getByRole('button');
    await tokens.nth(2).click();
    const begun = (await tokens.allInnerTexts()).slice(0, 2).join('');
    const others = page.getByRole('list', { name: 'Alternatives to token 3' }).getByRole('button', { disabled: false });
    const picked = await others.last().locator('code').innerText();
    await page.route('**/v1/chat/completions', (route) => route.fulfill({
      contentType: 'text/event-stream',
      body: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: ' and so on' }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`,
    }));
    await others.last().click();
    await page.getByText('and so on').waitFor();
    const { messages, continue_final_message: goesOn, seed } = bodies.at(-1);
    assert.equal(goesOn, true);
    assert.equal(seed, undefined, 'a seed of the first answer would be of no use');
    assert.equal(messages.at(-1).role, 'assistant');
    const shown = (text) => text.replace(/[\u00b7\u23ce\u21e5\s]/g, '');
    assert.equal(shown(messages.at(-1).content), shown(begun + picked));
    assert.equal(shown(await page.locator('.assistant .text').innerText()), shown(`${begun}${picked} and so on`));
    await page.getByRole('button', { name: 'Version before' }).click();
    await page.getByText(first.trim().slice(0, 10)).first().waitFor();
  });
});

test('two settings answer one question side by side, and one of them is gone on from', async () => {
  await visit(async (page) => {
    const bodies = posts(page);
    await setUp(page, { 'Longest answer': '16', ...ENDLESS });
    await page.getByRole('button', { name: 'Side by side' }).click();
    await openSettings(page);
    assert.equal(await page.getByRole('button', { name: 'Right', exact: true }).getAttribute('aria-pressed'), 'true');
    await page.getByLabel('Temperature', { exact: true }).fill('0');
    await page.getByLabel('Longest answer', { exact: true }).fill('9');
    await page.getByRole('button', { name: 'Left', exact: true }).click();
    assert.equal(await page.getByLabel('Temperature', { exact: true }).inputValue(), '');
    await page.getByRole('button', { name: 'Close settings' }).click();
    await ask(page, 'Tell a story.');
    await answered(page, 2);
    assert.deepEqual(bodies.slice(-2).map((body) => [body.temperature, body.max_completion_tokens]).sort(), [[0, 9], [undefined, 16]].sort());
    assert.match((await page.locator('.pair .speed').nth(1).innerText()), /answer\s+9 tokens/);
    await checkAccess(page, 'side by side');
    const right = await page.locator('.pair .text').nth(1).innerText();
    await page.getByRole('button', { name: 'Go on from this' }).click();
    await page.getByRole('button', { name: 'Without: side by side' }).click();
    await ask(page, 'Go on.');
    await answered(page, 3);
    assert.equal(bodies.at(-1).messages.at(-2).content.trim(), right.trim());
  }, { viewport: { width: 1280, height: 800 } });
});

test('raw events are shown as they come, and are what the server sends', async () => {
  await visit(async (page) => {
    await setUp(page, ENDLESS);
    await ask(page, 'Count.');
    await page.locator('.assistant[data-state=running]').waitFor();
    await page.getByRole('button', { name: 'Request', exact: true }).click();
    await page.getByRole('tab', { name: 'Events' }).click();
    const count = async () => Number(/(\d+) events?/.exec(await page.locator('.code figcaption').last().innerText())[1]);
    const first = await count();
    await page.waitForFunction((n) => Number(/(\d+) events?/.exec(document.querySelector('dialog figcaption').innerText)?.[1]) > n + 3, first);
    const lines = (await page.locator('.events').innerText()).split('\n').filter(Boolean);
    assert.ok(lines.length > 3);
    for (const line of lines.slice(0, -1)) assert.equal(JSON.parse(line.slice(6)).object, 'chat.completion.chunk');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.getByText('Stopped here.').waitFor();
  });
});

test('an answer without streaming has its speed and one event', async () => {
  await visit(async (page) => {
    await openSettings(page);
    await page.locator('summary', { hasText: 'Request' }).click();
    await page.getByLabel('Stream', { exact: true }).selectOption('false');
    await page.getByLabel('Longest answer', { exact: true }).fill('8');
    await page.getByRole('button', { name: 'Close settings' }).click();
    await ask(page, 'Hello');
    await answered(page);
    assert.match(await page.locator('.speed').innerText(), /answer\s+\d+ tokens/);
    await page.getByRole('button', { name: 'Request', exact: true }).click();
    await page.getByRole('tab', { name: 'Events' }).click();
    await page.getByText('status 200, 1 event').waitFor();
  });
});

test('the copied curl command gives the same answer, and the programs are well-formed', async () => {
  await visit(async (page) => {
    await setUp(page, { 'Longest answer': '12', Seed: '5', 'System prompt': 'You say \'yes\' and "no".\nAlways.', more: '{"top_k": 5, "metadata": {"a": "é"}}' });
    await ask(page, 'It’s $HOME and `x` \\ "y"');
    await answered(page);
    const text = await page.locator('.assistant .text').innerText();
    await page.getByRole('button', { name: 'Request', exact: true }).click();
    const codeOf = async (name) => {
      await page.getByRole('tab', { name, exact: true }).click();
      return page.locator('dialog code').innerText();
    };
    const command = await codeOf('curl');
    assert.ok(!command.includes(server.key), 'the key is not in it');
    const { stdout } = await run('bash', ['-c', command], { timeout: PATIENCE_MS, env: { ...process.env, INFE_API_KEY: server.key } });
    const said = stdout.split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)).choices[0]?.delta.content ?? '').join('');
    assert.equal(said.trim().split(/\s+/).join(' '), text.trim().split(/\s+/).join(' '));
    const python = await codeOf('Python');
    await run('python3', ['-c', 'import ast,sys; ast.parse(sys.argv[1])', python]);
    assert.match(python, /extra_body=\{\n\s+"top_k": 5/);
    const node = await codeOf('Node');
    const folder = await mkdtemp(join(tmpdir(), 'infe-web-'));
    await writeFile(join(folder, 'program.mjs'), node);
    await run(process.execPath, ['--check', join(folder, 'program.mjs')]);
    await rm(folder, { recursive: true });
  });
});

test('the picker tells of each model what it is, and what it does by default', async () => {
  await visit(async (page) => {
    await page.getByRole('button', { name: 'Model: smollm2-135m' }).click();
    const card = page.getByRole('dialog').locator('label').first();
    assert.match(await card.innerText(), /smollm2-135m[\s\S]*Context\s+8,192 tokens[\s\S]*weights\s+about 94 MiB[\s\S]*Defaults/);
    await checkAccess(page, 'model picker');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });
});
