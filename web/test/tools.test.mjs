// Tools and formats: what the server thinks of them, calls, and the answers to calls.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered, ask, checkAccess, closeSettings, openSection, openSettings, setUp, visit } from './page.mjs';

// A refusal of the server is an error on the console, too.
const REFUSED = { faultsMayBe: [/status of 400/] };

test('the weather example calls, is answered by a simulated tool, and goes on', async () => {
  await visit(async (page) => {
    const bodies = [];
    page.on('request', (request) => { if (request.method() === 'POST') bodies.push(request.postDataJSON()); });
    await setUp(page, { 'Longest answer': '60', Temperature: '0' });
    await openSettings(page);
    const section = await openSection(page, 'Tools');
    await section.getByRole('button', { name: 'Weather example' }).click();
    await section.getByText('The server takes it').waitFor();
    // The smallest model calls nothing by itself.
    await section.getByLabel('Tool choice').selectOption('required');
    await closeSettings(page);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('heading', { name: 'Calls get_weather' }).waitFor();
    await answered(page);
    const location = JSON.parse(await page.locator('.calls code').last().innerText()).location;
    const field = page.getByLabel('What get_weather answers');
    assert.equal(JSON.parse(await field.inputValue()).location, location);
    await checkAccess(page, 'a call');
    await openSettings(page);
    await (await openSection(page, 'Tools')).getByLabel('Tool choice').selectOption('none');
    await closeSettings(page);
    await field.fill('{"temperature_celsius": 21}');
    await page.getByRole('button', { name: 'Send this answer' }).click();
    await answered(page, 2);
    const { messages } = bodies.at(-1);
    assert.deepEqual(messages.slice(-1), [{ role: 'tool', tool_call_id: messages.at(-2).tool_calls[0].id, content: '{"temperature_celsius": 21}' }]);
    assert.equal(messages.at(-2).tool_calls[0].function.name, 'get_weather');
    await page.getByText('get_weather answered').waitFor();
  });
});

test('tools and schemas are judged in the server’s own words while they are typed', async () => {
  await visit(async (page) => {
    await openSettings(page);
    const tools = await openSection(page, 'Tools');
    await tools.getByLabel('Tools', { exact: true }).fill('[{"type": "function"');
    await tools.getByText('This is no JSON').waitFor();
    await tools.getByLabel('Tools', { exact: true }).fill('[{"type": "function", "function": {"name": "no spaces, please"}}]');
    await tools.getByText('tools[0].function.name').waitFor();
    await tools.getByLabel('Tools', { exact: true }).fill('[{"type": "function", "function": {"name": "fine"}}]');
    await tools.getByText('The server takes it').waitFor();
    await tools.getByLabel('Tools', { exact: true }).fill('');
    const format = await openSection(page, 'Output format');
    await format.getByLabel('Response format').selectOption('json_schema');
    await format.getByLabel('Schema', { exact: true }).fill('{"name": "x", "strict": true, "schema": {"type": "objec"}}');
    await format.locator('.trouble').filter({ hasText: /response_format.*objec/ }).waitFor();
    await checkAccess(page, 'a refused schema');
  }, REFUSED);
});

test('a schema is followed, and JSON mode gives JSON', async () => {
  await visit(async (page) => {
    await setUp(page, { 'Longest answer': '200' });
    await openSettings(page);
    const format = await openSection(page, 'Output format');
    await format.getByRole('button', { name: 'Colours example' }).click();
    await format.getByText('The server takes it').waitFor();
    await closeSettings(page);
    await page.getByRole('button', { name: 'Send' }).click();
    await answered(page);
    const { colours } = JSON.parse(await page.locator('.assistant .text').innerText());
    assert.equal(colours.length, 3);
    for (const { hex } of colours) assert.match(hex, /^#[0-9a-f]{6}$/);
    await openSettings(page);
    await page.getByLabel('Response format').selectOption('json_object');
    await closeSettings(page);
    await ask(page, 'Give me any JSON object.');
    await answered(page, 2);
    assert.equal(typeof JSON.parse(await page.locator('.assistant .text').nth(1).innerText()), 'object');
    await page.getByRole('button', { name: 'Without: JSON' }).click();
    assert.equal(await page.locator('.chips li').count(), 0);
  });
});
