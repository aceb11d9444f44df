// The operations page against the real server: what it shows is what /metrics and the commands say, what
// it changes works.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { PATIENCE_MS, behindProxy, checkAccess, inkOf, server, visit } from './page.mjs';

const MODEL = 'smollm2-135m';
// Of everything that a first visit loads, as it travels.
const WEIGHT_MAX = 250_000;
const VIEWS = ['Load', 'Usage', 'Keys', 'Projects', 'Audit log', 'Models'];

let adminKey;
const link = async () => `${server.ops}/#key=${adminKey ??= await keyOf('--admin', '--name', 'operator')}`;
const operate = async (body, options = {}) => visit(body, { root: server.ops, address: await link(), ...options });
const open = (page, name) => page.getByRole('link', { name, exact: true }).click();

const chat = (more = {}, key = server.key) => fetch(`${server.root}/v1/chat/completions`, {
  method: 'POST', headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
  body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Say hello.' }], max_tokens: 8, ignore_eos: true, ...more }),
});
const metric = async (name) => {
  const text = await (await fetch(`${server.ops}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{model="${MODEL}"[^}]*\\} (\\S+)$`, 'm').exec(text)[1]);
};
const asShown = (value) => value.toLocaleString('en');
const cell = (page, row, name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: row }) }).locator(`[data-name="${name}"]`);

/** Until it holds; then what it was. */
async function eventually(look, holds) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    assert.ok(Date.now() < end, `still ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A key that a command has made, once the server knows it: that takes it a quarter of a second. */
async function keyOf(...more) {
  const { key } = JSON.parse(server.infe('keys', 'create', '--json', ...more));
  const [root, path] = more.includes('--admin') ? [server.ops, 'organization/projects'] : [server.root, 'models'];
  await eventually(async () => (await fetch(`${root}/v1/${path}`, { headers: { Authorization: `Bearer ${key}` } })).status, (status) => status !== 401);
  return key;
}

/** Rows of CSV by the names of their columns. */
function rowsOf(csv) {
  const [head, ...lines] = csv.trim().split('\r\n').map((line) => line.split(','));
  return lines.map((line) => Object.fromEntries(line.map((value, at) => [head[at], value])));
}

test('the load that is shown is that of /metrics', async () => {
  for (let i = 0; i < 3; ++i) assert.equal((await chat()).status, 200);
  await operate(async (page) => {
    const shown = {
      Running: 'infe_running', Waiting: 'infe_queue_depth', 'Prompt tokens': 'infe_prompt_tokens_total',
      'of them cached': 'infe_cached_tokens_total', Generated: 'infe_generated_tokens_total',
    };
    await page.getByRole('rowheader', { name: MODEL }).waitFor();
    for (const [name, series] of Object.entries(shown)) {
      const value = asShown(await metric(series));
      await eventually(() => cell(page, MODEL, name).textContent(), (text) => text === value);
    }
    assert.match(await page.locator('.strip').textContent(), /Stateready.*Ledgerhealthy/);

    const answer = await chat({ stream: true, max_tokens: 4000 });
    const reader = answer.body.getReader();
    await eventually(() => cell(page, MODEL, 'Running').textContent(), (text) => text === '1');
    assert.equal(await metric('infe_running'), 1);
    await eventually(() => cell(page, MODEL, 'Tokens/s').textContent(), (text) => Number(text.replace(',', '')) > 0);
    await eventually(() => cell(page, MODEL, 'Step').textContent(), (text) => /^[\d.]+ ms$/.test(text));
    await reader.cancel();
    await eventually(() => cell(page, MODEL, 'Running').textContent(), (text) => text === '0');
  });
});

test('the last hour is drawn, and its newest values stand beneath', async () => {
  const history = async () => (await (await fetch(`${server.ops}/metrics/history`)).json()).data[0];
  await eventually(async () => { await chat(); return (await history())?.generated_tokens_per_s?.at(-1) ?? 0; }, (rate) => rate > 0);
  await operate(async (page) => {
    const chart = page.getByRole('img', { name: /^Tokens per second/ });
    await eventually(() => chart.getAttribute('aria-label'), (label) => /generated [\d.]+/.test(label));
    const coloured = await chart.locator('canvas').evaluate((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] > 200 && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) > 40) ++count;
      return count;
    });
    assert.ok(coloured > 0, 'a line, or a point, in its colour');
    // With the keyboard: from the newest point to the one before.
    await chart.focus();
    await page.keyboard.press('ArrowLeft');
    const points = await history();
    assert.match(await chart.getAttribute('aria-label'), /^Tokens per second, \d\d:\d\d:\d\d: generated [\d.,]+/);
    assert.ok(points.at.length >= 1);
  });
});

test('usage by day, key, project and model is that of infe usage, as a table, a chart and CSV', async () => {
  const other = await keyOf('--name', 'another', '--project', 'others');
  assert.equal((await chat({}, other)).status, 200);
  const midnight = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - 29 * 86_400_000).toISOString().slice(0, 10);
  const columns = ['requests', 'prompt_tokens', 'cached_tokens', 'completion_tokens'];
  await operate(async (page) => {
    await open(page, 'Usage');
    for (const [choice, word, column] of [['in all', null, null], ['by key', 'key', 'key_id'], ['by project', 'project', 'project'], ['by model', 'model', 'model']]) {
      await page.getByLabel('Summed').selectOption(choice);
      const told = await eventually(() => rowsOf(server.infe('usage', '--by', word ? `day,${word}` : 'day', '--from', midnight, '--csv')),
        (rows) => rows.every(({ open: running }) => running === '0'));
      await page.getByRole('button', { name: 'Read again' }).click();
      const pick = (row) => Object.fromEntries(['start', ...(column ? [column] : []), ...columns].map((name) => [name, row[name]]));
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'CSV' }).click();
      const file = readFileSync(await (await download).path(), 'utf8');
      const order = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
      assert.deepEqual(rowsOf(file).sort(order), told.map(pick).sort(order), choice);
      const all = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'All', exact: true }) });
      for (const [name, of] of [['Requests', 'requests'], ['Prompt tokens', 'prompt_tokens'], ['of them cached', 'cached_tokens'], ['Completion tokens', 'completion_tokens']]) {
        const sum = told.reduce((total, row) => total + Number(row[of]), 0);
        assert.equal(await all.locator(`[data-name="${name}"]`).textContent(), asShown(sum), `${choice}: ${name}`);
      }
      // Today's bars stand for as much.
      const label = await page.getByRole('img', { name: /^Tokens by day/ }).getAttribute('aria-label');
      const drawn = [...label.replace(/ Arrow keys.*/, '').matchAll(/ ([\d,]*\d)(?=[,.]( |$))/g)].map(([, number]) => Number(number.replaceAll(',', '')));
      const tokens = told.map((row) => Number(row.prompt_tokens) + Number(row.completion_tokens));
      assert.deepEqual(drawn.sort((a, b) => a - b), tokens.sort((a, b) => a - b), label);
    }
    await page.getByLabel('Summed').selectOption('by key');
    await page.getByRole('rowheader', { name: 'another' }).waitFor();  // a name, not an id
  });
});

test('a key is made, changed and revoked, and each holds at once', async () => {
  await operate(async (page) => {
    await open(page, 'Keys');
    await page.getByRole('button', { name: 'New key' }).click();
    const form = page.getByRole('dialog');
    await form.getByLabel('Name').fill('made here');
    await form.getByLabel('Requests a minute').fill('2');
    await form.getByLabel('usage.read').uncheck();
    await form.getByRole('button', { name: 'Make the key' }).click();
    await page.getByRole('heading', { name: 'The key made here' }).waitFor();
    const text = await page.locator('.new-key code').textContent();
    assert.match(text, /^sk-infe-/);
    await page.getByRole('button', { name: 'Done' }).click();
    assert.equal(await page.getByText(text).count(), 0, 'it is gone');
    await eventually(() => cell(page, 'made here', 'Limits').textContent(), (limits) => limits === '2 requests/min');
    assert.doesNotMatch(await cell(page, 'made here', 'May').textContent(), /usage/);

    for (const expected of [200, 200, 429]) assert.equal((await chat({}, text)).status, expected);
    await page.getByRole('button', { name: 'Change made here' }).click();
    await form.getByLabel('Requests a minute').fill('50');
    await form.getByLabel('Tokens a day').fill('99999');
    await form.getByRole('button', { name: 'Change', exact: true }).click();
    await eventually(() => cell(page, 'made here', 'Limits').textContent(), (limits) => limits === '50 requests/min99,999 tokens/day');
    await eventually(async () => (await chat({}, text)).status, (status) => status === 200);
    const told = JSON.parse(server.infe('keys', 'list', '--json')).keys.find(({ name }) => name === 'made here');
    assert.equal(told.limits?.requests_per_minute ?? told.requests_per_minute, 50);

    // What the server refuses is said in its words.
    await page.getByRole('button', { name: 'Change made here' }).click();
    await form.getByLabel('Fair share').fill('100000');
    await form.getByRole('button', { name: 'Change', exact: true }).click();
    await form.getByRole('alert').getByText('weight').first().waitFor();
    await form.getByRole('button', { name: 'Cancel' }).click();

    await page.getByRole('button', { name: 'Revoke made here' }).click();
    await form.getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('rowheader', { name: 'made here' }).waitFor({ state: 'detached' });
    await eventually(async () => (await chat({}, text)).status, (status) => status === 401);

    await open(page, 'Audit log');
    const row = page.getByRole('row').filter({ hasText: 'made here' });
    await row.filter({ hasText: 'service_account.created' }).waitFor();
    const update = page.getByRole('row').filter({ hasText: 'api_key.updated' }).first();
    await update.locator('summary').click();
    assert.match(await update.locator('pre').textContent(), /"changes_requested"[^]*50[^]*"changes_from"[^]*2/);
    assert.equal(await page.getByText(text).count(), 0);
  }, { faultsMayBe: [/status of 400/] });
});

test('a project is made, limited, renamed and archived', async () => {
  await operate(async (page) => {
    await open(page, 'Projects');
    await page.getByRole('button', { name: 'New project' }).click();
    const form = page.getByRole('dialog');
    await form.getByLabel('Name').fill('Search');
    await form.getByRole('button', { name: 'Make the project' }).click();
    await page.getByRole('button', { name: 'Limits of Search' }).click();
    await form.getByLabel('Tokens a minute').fill('7000');
    await form.getByRole('button', { name: 'Change' }).click();
    await form.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Limits of Search' }).click();
    await eventually(() => form.getByLabel('Tokens a minute').inputValue(), (value) => value === '7000');
    assert.equal(await form.getByLabel('Requests a minute').inputValue(), '');
    await form.getByLabel('Tokens a minute').fill('');
    await form.getByRole('button', { name: 'Change' }).click();
    await form.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Limits of Search' }).click();
    await form.getByLabel('Tokens a minute').waitFor();
    assert.equal(await form.getByLabel('Tokens a minute').inputValue(), '');
    await form.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Rename Search' }).click();
    await form.getByLabel('Name').fill('Find');
    await form.getByRole('button', { name: 'Rename' }).click();
    await page.getByRole('button', { name: 'Archive Find' }).click();
    await form.getByRole('button', { name: 'Archive' }).click();
    await page.getByRole('rowheader', { name: 'Find' }).waitFor({ state: 'detached' });
  });
});

test('without an admin key the load is seen and nothing else; a wrong one is refused in the server’s words', async () => {
  await operate(async (page) => {
    await page.getByRole('rowheader', { name: MODEL }).waitFor();
    for (const name of ['Usage', 'Keys', 'Projects', 'Audit log']) {
      await open(page, name);
      await page.getByRole('heading', { name: 'Admin key' }).waitFor();
    }
    await open(page, 'Keys');
    for (const [key, words] of [['sk-infe-admin-nonsense', /Incorrect API key/], [server.key, /permission|scope/i]]) {
      await page.getByLabel('Key', { exact: true }).fill(key);
      await page.getByRole('button', { name: 'Use this key' }).click();
      await page.getByRole('alert').filter({ hasText: words }).waitFor();
    }
    // One that may see usage alone sees it, and hears what it lacks elsewhere.
    await page.getByLabel('Key', { exact: true }).fill(await keyOf('--admin', '--name', 'accountant', '--scope', 'admin.usage'));
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByRole('alert').filter({ hasText: 'admin.keys' }).waitFor();
    await open(page, 'Usage');
    await page.getByRole('rowheader', { name: 'All', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Forget the admin key' }).click();
    await page.getByRole('heading', { name: 'Admin key' }).waitFor();
    assert.deepEqual(await page.evaluate(() => [sessionStorage.length, localStorage.length]), [0, 0]);
  }, { address: server.ops, faultsMayBe: [/status of 40[13]/] });
});

test('models and their memory are those of /metrics', async () => {
  await operate(async (page) => {
    await open(page, 'Models');
    await eventually(() => cell(page, MODEL, 'Architecture').textContent(), (text) => text === 'llama Q4_1');
    const mib = (await metric('infe_model_file_bytes')) / 2 ** 20;
    assert.equal(await cell(page, MODEL, 'Weights').textContent(), `${mib.toFixed(1)} MiB`);
    assert.equal(await cell(page, MODEL, 'Context').textContent(), asShown(await metric('infe_model_context_tokens')));
  });
});

test('whoever sees badly, uses the keyboard or a phone can use all of it', async () => {
  for (const options of [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { viewport: { width: 390, height: 844 } }])
    await operate(async (page) => {
      for (const name of VIEWS) {
        await open(page, name);
        await page.locator('main table').first().waitFor();
        await checkAccess(page, `${name}, ${JSON.stringify(options)}`);
      }
      await open(page, 'Keys');
      await page.getByRole('button', { name: 'New key' }).click();
      await page.getByRole('heading', { name: 'New key' }).waitFor();
      await checkAccess(page, `a new key, ${JSON.stringify(options)}`);
    }, options);
});

test('the keyboard alone comes to a part and back', async () => {
  await operate(async (page) => {
    await page.getByRole('rowheader', { name: MODEL }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');  // skips to the content
    assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
    await page.getByRole('link', { name: 'Load', exact: true }).focus();
    for (let i = 0; i < 2; ++i) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'New key' }).waitFor();
    await page.getByRole('button', { name: 'New key' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.goBack();
    await page.getByRole('heading', { name: 'The last hour' }).waitFor();
  });
});

test('it works under a path of a proxy, and says when the server is gone and when it is back', async () => {
  await link();
  await behindProxy(server.ops, '/deep/operations', (root, setGone) => visit(async (page) => {
    await page.getByRole('rowheader', { name: MODEL }).waitFor();
    await open(page, 'Keys');
    await page.getByRole('rowheader', { name: 'operator' }).waitFor();
    await open(page, 'Load');
    setGone(true);
    await page.getByRole('alert').getByText('The server cannot be reached.').waitFor();
    setGone(false);
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await page.getByRole('rowheader', { name: MODEL }).waitFor();
  }, { root, address: `${root}/#key=${adminKey}`, faultsMayBe: [/ERR_EMPTY_RESPONSE|ERR_CONNECTION|Failed to load resource/] }));
});

test('where text and charts must be something is drawn', async () => {
  for (const colorScheme of ['light', 'dark'])
    await operate(async (page) => {
      await page.getByRole('rowheader', { name: MODEL }).waitFor();
      for (const place of [page.getByRole('heading', { name: 'infe operations' }), page.getByRole('rowheader', { name: MODEL }),
        cell(page, MODEL, 'Generated'), page.locator('.strip dd').first(), page.locator('.chart .series').first()]) {
        const ink = await inkOf(place);
        assert.ok(ink > .005 && ink < .6, `${colorScheme}, ${place}: ${ink}`);
      }
      const plot = await inkOf(page.getByRole('img', { name: /^Tokens per second/ }));
      assert.ok(plot > .001, `${colorScheme}, the chart: ${plot}`);
      await open(page, 'Usage');
      const bars = await inkOf(page.getByRole('img', { name: /^Tokens by day/ }));
      assert.ok(bars > .001, `${colorScheme}, the bars: ${bars}`);
    }, { colorScheme });
});

test('a first visit weighs little and is painted soon', async (t) => {
  await operate(async (page) => {
    const inspector = await page.context().newCDPSession(page);
    await inspector.send('Network.enable');
    await inspector.send('Network.setCacheDisabled', { cacheDisabled: true });
    let weight = 0;
    inspector.on('Network.loadingFinished', ({ encodedDataLength }) => { weight += encodedDataLength; });
    await page.goto(await link());
    await page.getByRole('rowheader', { name: MODEL }).waitFor();
    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
    t.diagnostic(`${weight} bytes, first paint after ${paint.toFixed(0)} ms`);
    assert.ok(weight < WEIGHT_MAX, `${weight} bytes`);
  }, { address: 'about:blank' });
});
