// A conversation of 200 messages while an answer streams into it. Frame times are told, not judged: a
// test machine may be busy. Judged is what makes them short, whatever the machine does.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ENDLESS, ask, server, setUp, visit } from './page.mjs';

const PAIRS = 100;
const FRAMES = 240;
const WORDS = 'A paragraph with **bold** words and `code`, long enough to take some lines on the screen of a person who reads it. '.repeat(4);
const longConversation = () => JSON.stringify(Array.from({ length: PAIRS }, (_, at) => [
  { role: 'user', content: `Question ${at}?` },
  { role: 'assistant', content: `## Answer ${at}\n\n${WORDS}\n\n- one\n- two\n\n\`\`\`python\nprint(${at})\n\`\`\`\n` },
]).flat());

test('200 messages scroll while an answer streams, and only the answer is drawn again', async (t) => {
  await visit(async (page) => {
    await setUp(page, ENDLESS);
    await page.getByLabel('File of conversations').setInputFiles({ name: 'long.json', mimeType: 'application/json', buffer: Buffer.from(longConversation()) });
    await page.getByRole('button', { name: 'Close conversations' }).click();
    await page.locator('.turn').nth(2 * PAIRS - 1).waitFor();
    // From a question without what was before: the context of the smallest model is short.
    await page.route('**/v1/chat/completions', (route) => {
      const body = route.request().postDataJSON();
      void route.continue({ postData: JSON.stringify({ ...body, messages: body.messages.slice(-1) }) });
    });
    await ask(page, 'Tell me a very long story.');
    await page.locator('.assistant[data-state=running]').waitFor();
    // Of the page's own thread, in its own time: what others do on this machine is not in it.
    const inspector = await page.context().newCDPSession(page);
    await inspector.send('Performance.enable', { timeDomain: 'threadTicks' });
    const busy = async () => (await inspector.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration').value;
    const before = await busy();
    const seen = await page.evaluate(async (frames) => {
      const box = document.querySelector('.thread');
      const last = box.querySelector('ol').lastElementChild;
      let foreign = 0;
      let own = 0;
      const watch = new MutationObserver((changes) => {
        for (const { target } of changes) last.contains(target) ? own++ : foreign++;
      });
      watch.observe(box, { subtree: true, childList: true, characterData: true, attributes: true });
      const times = [];
      await new Promise((resolve) => {
        let before;
        const frame = (now) => {
          if (before !== undefined) times.push(now - before);
          before = now;
          // Up and down through all of it.
          box.scrollTop = (Math.sin(times.length / 20) + 1) / 2 * box.scrollHeight;
          if (times.length < frames) requestAnimationFrame(frame);
          else resolve();
        };
        requestAnimationFrame(frame);
      });
      times.sort((a, b) => a - b);
      return { foreign, own, median: times[frames / 2], p95: times[Math.floor(frames * .95)], worst: times.at(-1), turns: box.querySelectorAll('.turn').length };
    }, FRAMES);
    const own = 1000 * (await busy() - before) / FRAMES;
    t.diagnostic(`frames: median ${seen.median.toFixed(1)} ms, 95% ${seen.p95.toFixed(1)} ms, worst ${seen.worst.toFixed(1)} ms; `
      + `work of the page in each: ${own.toFixed(1)} ms`);
    assert.equal(seen.turns, 2 * PAIRS + 2);
    assert.ok(seen.own > 0, 'the answer grew meanwhile');
    assert.equal(seen.foreign, 0, 'changes outside the answer');
    await page.keyboard.press('Escape');
    await page.getByText('Stopped here.').waitFor();
  }, { viewport: { width: 1280, height: 800 } });
});

test('the page is painted before the server has told its models', async (t) => {
  await visit(async (page) => {
    let isAsked;
    const asked = new Promise((resolve) => { isAsked = resolve; });
    let release;
    await page.route('**/v1/models', async (route) => {
      isAsked();
      await new Promise((resolve) => { release = resolve; });
      await route.continue();
    });
    await page.goto(`${server.link}`);
    await asked;
    await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
    t.diagnostic(`first paint after ${paint.toFixed(0)} ms`);
    await page.getByRole('heading', { name: 'One moment' }).waitFor();
    release();
    await page.getByRole('heading', { name: 'smollm2-135m' }).waitFor();
  }, { address: 'about:blank' });
});
