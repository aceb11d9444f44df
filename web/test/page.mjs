// What the browser tests share: one server and one browser for the tests of a file, and the steps that
// a person takes again and again.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';

import { PATIENCE_MS, openPage, require, startBrowser, startServer } from './server.mjs';

export { PATIENCE_MS };
export let server;
let browser;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Runs `body` with a page that has the key; then nothing may have gone wrong in it. */
export async function visit(body, { address = server.link, faultsMayBe = [], ...options } = {}) {
  const { page, context, faults, foreign } = await openPage(browser, options.root ?? server.root, options);
  await page.goto(address);
  await body(page, context);
  await context.close();
  assert.deepEqual(faults.filter((fault) => !faultsMayBe.some((known) => known.test(fault))), []);
  assert.deepEqual(foreign, []);
}

export const ask = async (page, text) => {
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill(text);
  await page.keyboard.press('Enter');
};
export const answered = (page, count = 1) => page.locator('.assistant[data-state=done]').nth(count - 1).waitFor();
export const openSettings = (page) => page.getByRole('button', { name: 'Settings', exact: true }).click();
export const closeSettings = (page) => page.getByRole('button', { name: 'Close settings' }).click();

/** A section of the settings. */
export const openSection = async (page, name) => {
  const section = page.locator('.settings details').filter({ has: page.locator('summary', { hasText: new RegExp(`^${name}$`) }) });
  if ((await section.getAttribute('open')) === null) await section.locator('summary').click();
  return section;
};

/** Fills fields by their labels. */
export const setUp = async (page, { more, ...values }) => {
  await openSettings(page);
  for (const [label, value] of Object.entries(values)) await page.getByLabel(label, { exact: true }).fill(value);
  if (more) await (await openSection(page, 'Request')).getByLabel('More fields').fill(more);
  await closeSettings(page);
};

/** An answer that ends when it is stopped, and not before. */
export const ENDLESS = { more: '{"ignore_eos": true}' };

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** What a person who cannot see the page well would stumble over; and whether it sticks out sideways. */
export async function checkAccess(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  const bad = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(bad.map(({ id, nodes }) => [where, id, nodes[0].html, nodes[0].failureSummary]), []);
  const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }));
  assert.ok(wide <= window, `${where}: nothing sticks out sideways (${wide} of ${window})`);
}
