// What the browser tests share: one server and one browser for the tests of a file, and the steps that
// a person takes again and again.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
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

/** What share of an element's picture is of another colour than its corner: text that is drawn leaves some, an
 * empty or a covered place none. */
export async function inkOf(locator) {
  const picture = (await locator.screenshot()).toString('base64');
  const reader = await locator.page().context().newPage();
  await reader.goto('about:blank');  // no policy forbids a picture out of an address there
  const share = await reader.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const { data: bytes } = context.getImageData(0, 0, image.width, image.height);
    let other = 0;
    for (let at = 0; at < bytes.length; at += 4)
      if (Math.abs(bytes[at] - bytes[0]) + Math.abs(bytes[at + 1] - bytes[1]) + Math.abs(bytes[at + 2] - bytes[2]) > 120) other++;
    return other / (bytes.length / 4);
  }, picture);
  await reader.close();
  return share;
}

/** Ours behind another server, under `prefix`; body gets its address, and what lets it be gone for a while.
 * answer: of requests that it takes upon itself, true. */
export async function behindProxy(target, prefix, body, answer = () => false) {
  const { hostname, port } = new URL(target);
  let isGone = false;
  const proxy = http.createServer((request, response) => {
    if (isGone) return request.socket.destroy();
    if (!request.url.startsWith(`${prefix}/`)) return response.writeHead(404).end();
    if (answer(request, response)) return undefined;
    const onward = http.request({ host: hostname, port, method: request.method, headers: request.headers, path: request.url.slice(prefix.length) },
      (got) => { response.writeHead(got.statusCode, got.headers); got.pipe(response); });
    request.pipe(onward);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    await body(`http://127.0.0.1:${proxy.address().port}${prefix}`, (gone) => { isGone = gone; });
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
}
