// The real server with the smallest model and one key, and the browser that looks at it.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Where `tools/web packages` put them: outside the checkout.
export const require = createRequire(process.env.INFE_WEB_PACKAGES + '/package.json');
const { chromium } = require('playwright-core');

// How patient tests are: a shared machine may be several times slower than a free one.
export const SLOW = Number(process.env.INFE_TEST_SLOW ?? 3);
export const PATIENCE_MS = 20_000 * SLOW;

// 0 is no operations port at all.
const freePort = () => new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

/** {root, key, link, ops, infe, stop}: root and ops end without a slash; link is what the server prints for
 * a browser; infe(...) is what a command says beside it. */
export async function startServer() {
  const opsPort = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'infe-web-'));
  const child = spawn(process.env.INFE_BINARY, [
    'serve', '--first-key', '--port', '0', '--ops-port', String(opsPort), '--data-dir', folder, '--no-pin-threads',
    '--model', join(process.env.INFE_MODEL_DIR, 'smollm2-135m.gguf')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the server did not start:\n${said}`)), PATIENCE_MS);
    const take = (data) => {
      said += data;
      if (/Ctrl-C stops it/.test(said)) { clearTimeout(late); resolve(); }
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}:\n${said}`)));
  });
  return {
    root: /Listening on (http:\S+)\/v1/.exec(said)[1],
    key: /INFE_API_KEY=(\S+)/.exec(said)[1],
    link: /(http:\S+#key=\S+)/.exec(said)?.[1],
    ops: `http://127.0.0.1:${opsPort}`,
    said,
    infe: (...command) => execFileSync(process.env.INFE_BINARY, [...command, '--data-dir', folder], { encoding: 'utf8' }),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const startBrowser = () => chromium.launch({
  executablePath: process.env.INFE_CHROMIUM,
  // As root, in a container, Chromium has no sandbox; and it shall ask nobody for anything.
  args: ['--no-sandbox', '--disable-background-networking', '--disable-dev-shm-usage'],
});

/** A page that keeps what went wrong in it: {page, faults, foreign}. */
export async function openPage(browser, root, options = {}) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = [];
  const foreign = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()); });
  page.on('pageerror', (error) => faults.push(error.stack ?? error.message));
  page.on('request', (request) => { if (!request.url().startsWith(root + '/')) foreign.push(request.url()); });
  return { page, context, faults, foreign };
}
