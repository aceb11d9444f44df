// Several conversations in a browser, and what becomes of the turns in one.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { PATIENCE_MS, answered, ask, setUp, visit } from './page.mjs';

const SHORT = { 'Longest answer': '8' };
const shelf = async (page) => {
  const place = page.getByRole('navigation', { name: 'Conversations' });
  if (!(await place.count())) await page.getByRole('button', { name: 'Conversations', exact: true }).click();
  return place;
};
const rows = (place) => place.locator('.row');
const texts = (page) => page.locator('.turn').locator('.bubble, .text').allInnerTexts();

/** Waits for these texts and no others: an answer that is shown again is formatted a moment after its question. */
const shown = async (page, wanted) => {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await page.waitForTimeout(20)) {
    if (isDeepStrictEqual(await texts(page), wanted)) return;
  }
  assert.deepEqual(await texts(page), wanted);
};

test('conversations are kept, opened again, named and deleted', async () => {
  await visit(async (page) => {
    await setUp(page, SHORT);
    await ask(page, 'The first one');
    await answered(page);
    const first = await texts(page);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await ask(page, 'The second one');
    await answered(page);
    const place = await shelf(page);
    await rows(place).nth(1).waitFor();
    assert.deepEqual(await rows(place).allInnerTexts(), ['The second one', 'The first one']);
    await page.reload();
    await page.locator('.bubble', { hasText: 'The second one' }).waitFor();
    await rows(await shelf(page)).getByText('The first one').click();
    await page.locator('.bubble', { hasText: 'The first one' }).waitFor();
    await shown(page, first);

    await place.getByRole('button', { name: 'Rename The first one' }).click();
    await page.getByLabel('Name of the conversation').fill('A better name');
    await page.keyboard.press('Enter');
    await rows(place).getByText('A better name').waitFor();
    await place.getByRole('button', { name: 'Delete A better name' }).click();
    await place.getByRole('button', { name: 'Keep' }).click();
    assert.equal(await rows(place).count(), 2);
    await place.getByRole('button', { name: 'Delete A better name' }).click();
    await place.getByRole('button', { name: 'Delete', exact: true }).click();
    await rows(place).getByText('A better name').waitFor({ state: 'detached' });
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
    await page.reload();
    assert.deepEqual(await rows(await shelf(page)).allInnerTexts(), ['The second one']);
  }, { viewport: { width: 1280, height: 800 } });
});

test('what is exported is imported elsewhere as it was, branches too', async () => {
  let file;
  let said;
  await visit(async (page) => {
    await setUp(page, SHORT);
    await ask(page, 'A question');
    await answered(page);
    await page.getByRole('button', { name: 'Another answer' }).click();
    await page.getByRole('group', { name: 'Versions' }).waitFor();
    await answered(page);
    said = await texts(page);
    const place = await shelf(page);
    const download = page.waitForEvent('download');
    await place.getByRole('button', { name: 'Export all' }).click();
    file = await readFile(await (await download).path());
    assert.equal((await download).suggestedFilename(), 'infe-conversations.json');
  });
  await visit(async (page) => {
    const place = await shelf(page);
    const choose = async (name, buffer) => page.getByLabel('File of conversations').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(buffer) });
    await choose('none.json', 'not JSON');
    await place.getByRole('alert').getByText('This is no JSON').waitFor();
    await choose('other.json', '{"a":1}');
    await place.getByRole('alert').getByText('no conversations and no messages').waitFor();
    const loop = JSON.parse(file);
    Object.values(loop.conversations[0].turns)[0].parent = Object.values(loop.conversations[0].turns).at(-1).id;
    await choose('loop.json', JSON.stringify(loop));
    await place.getByRole('alert').getByText('a turn before itself').waitFor();
    await choose('conversations.json', file);
    await page.locator('.bubble', { hasText: 'A question' }).waitFor();
    await shown(page, said);
    assert.match(await page.getByRole('group', { name: 'Versions' }).innerText(), /2\s*\/.*2/s);
    assert.equal(await place.getByRole('alert').count(), 0);

    await choose('messages.json', JSON.stringify({ model: 'x', messages: [
      { role: 'system', content: 'Be brief.' }, { role: 'user', content: [{ type: 'text', text: 'Ping?' }] }, { role: 'assistant', content: 'Pong.' }] }));
    await page.locator('.bubble', { hasText: 'Ping?' }).waitFor();
    await shown(page, ['Ping?', 'Pong.']);
    assert.equal(await rows(place).count(), 2);
  });
});

test('an edited question is a branch: both stay, and each has its own answers', async () => {
  await visit(async (page) => {
    await setUp(page, SHORT);
    await ask(page, 'Say one.');
    await answered(page);
    await ask(page, 'And then?');
    await answered(page, 2);
    const before = await texts(page);
    await page.getByRole('button', { name: 'Edit' }).first().click();
    await page.getByLabel('Edited message').fill('Say two.');
    await page.getByRole('button', { name: 'Ask this instead' }).click();
    await page.locator('.bubble', { hasText: 'Say two.' }).waitFor();
    await answered(page);
    assert.equal(await page.locator('.turn').count(), 2);
    const versions = page.getByRole('group', { name: 'Versions' });
    await versions.getByRole('button', { name: 'Version before' }).click();
    await page.locator('.bubble', { hasText: 'Say one.' }).waitFor();
    await shown(page, before);
    await versions.getByRole('button', { name: 'Version after' }).click();
    await page.locator('.bubble', { hasText: 'Say two.' }).waitFor();
  });
});

test('another answer stands beside none of the others, and the question is sent once', async () => {
  await visit(async (page) => {
    const bodies = [];
    page.on('request', (request) => { if (request.method() === 'POST') bodies.push(request.postDataJSON()); });
    await setUp(page, { ...SHORT, 'System prompt': 'Be brief.' });
    await ask(page, 'Once.');
    await answered(page);
    await page.getByRole('button', { name: 'Another answer' }).click();
    await page.getByRole('group', { name: 'Versions' }).waitFor();
    await answered(page);
    assert.equal(bodies.length, 2);
    assert.deepEqual(bodies[1], bodies[0]);
    assert.deepEqual(bodies[1].messages, [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Once.' }]);
  });
});

test('an answer goes on in its own conversation while another is open', async () => {
  await visit(async (page) => {
    await setUp(page, { 'Longest answer': '40', more: '{"ignore_eos": true}' });
    await ask(page, 'A long one');
    await page.locator('.assistant[data-state=running]').waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
    await page.getByRole('status').filter({ hasText: 'Answer finished, 40 tokens.' }).waitFor();
    await rows(await shelf(page)).getByText('A long one').click();
    await answered(page);
    assert.match(await page.locator('.speed').innerText(), /answer\s+40 tokens/);
  });
});
