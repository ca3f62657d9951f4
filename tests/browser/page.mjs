// Can a page in a browser be a client of the gateway, from another origin, and can a page that is not allowed not?
//
// Serves a page of its own whose script is the TypeScript SDK (bundled by esbuild), opens it in headless Chromium, and has it
// speak MCP and OAuth across origins. What is seen is CORS as a browser applies it: preflights, exposed header fields, blocked
// answers. Output: one JSON object per finished step; README.md has the commands.

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const LIMIT_MS = 30_000;

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    port: { type: 'string' },
    tool: { type: 'string', default: 'search_notes' },
    args: { type: 'string', default: '{"query": "report"}' },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
  },
});
const token = process.env.TOKEN;

const say = (step, details = {}) => console.log(JSON.stringify({ step, ok: true, ...details }));

function require(condition, sentence) {
  if (!condition) throw new Error(sentence);
}

async function bundled() {
  const entry = new URL('page-app.mjs', import.meta.url).pathname;
  const built = await build({ entryPoints: [entry], bundle: true, write: false, format: 'iife', platform: 'browser', target: 'es2022', logLevel: 'error' });
  return built.outputFiles[0].text;
}

/** A page of its own; port 0 takes a free one, which no policy names. */
async function serve(script, port) {
  const server = createServer((request, response) => {
    if (request.url === '/app.js') {
      response.setHeader('content-type', 'text/javascript');
      return response.end(script);
    }
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end('<!doctype html><html lang="en"><head><link rel="icon" href="data:,"><title>A client</title></head><body><script src="/app.js"></script></body></html>');
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'page', version: '1' } } };

/** A request as the SDK sends it, without the SDK. */
function post(body, fields = {}) {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...fields };
  return { method: 'POST', headers, body: JSON.stringify(body) };
}

async function allowed(page) {
  const ask = (url, init) => page.evaluate(([url, init]) => globalThis.client.ask(url, init), [url, init]);
  const refused = await ask(options.url, post(initialize));
  require(refused.status === 401, `Without a token the page read ${JSON.stringify(refused)}, not 401.`);
  const challenge = refused.fields['www-authenticate'] ?? '';
  const where = /resource_metadata="([^"]+)"/.exec(challenge)?.[1];
  require(where, `The page may not read where to log in: ${JSON.stringify(refused.fields)}.`);
  say('refused', { challenge });

  // Those of the gateway at hand: the documents name it by its public address.
  const { origin } = new URL(options.url);
  const here = (url) => origin + new URL(url).pathname;
  const documents = [here(where), `${origin}/.well-known/oauth-authorization-server`, `${origin}/jwks`];
  for (const url of documents) {
    const document = await ask(url, { headers: { 'mcp-protocol-version': '2025-11-25' } });
    require(document.status === 200, `${url} is no page's to read: ${JSON.stringify(document)}.`);
  }
  const registration = await ask(`${origin}/register`, post({ client_name: 'A page', redirect_uris: ['https://page.example/callback'], token_endpoint_auth_method: 'none' }));
  require(registration.status === 201, `The page could not register: ${JSON.stringify(registration)}.`);
  const { client_id } = JSON.parse(registration.body);
  const form = new URLSearchParams({ grant_type: 'authorization_code', code: 'none', client_id, code_verifier: 'x'.repeat(43), redirect_uri: 'https://page.example/callback' });
  const exchange = await ask(`${origin}/token`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: form.toString() });
  require(exchange.status === 400 && JSON.parse(exchange.body).error === 'invalid_grant', `The page read of /token ${JSON.stringify(exchange)}.`);
  say('oauth', { documents: documents.length });

  for (const era of ['legacy', 'modern', 'auto']) {
    const args = [options.url, token, era, options.tool, JSON.parse(options.args)];
    const called = await page.evaluate((args) => globalThis.client.call(...args), args);
    require(called.text !== '', `${options.tool} said nothing.`);
    say('call', { era, protocol: called.protocol, session: called.session, tools: called.tools.length });
  }
}

/** A page that nobody named: the browser hides every answer of the MCP endpoint, and the gateway refuses what it sends anyway. */
async function foreign(page) {
  const ask = (url, init) => page.evaluate(([url, init]) => globalThis.client.ask(url, init), [url, init]);
  const bearer = { authorization: `Bearer ${token}` };
  const preflighted = await ask(options.url, post(initialize, bearer));
  require(preflighted.blocked, `A foreign page read ${JSON.stringify(preflighted)}.`);
  const simple = await ask(options.url, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: JSON.stringify(initialize) });
  require(simple.blocked, `A foreign page read ${JSON.stringify(simple)}.`);
  const failed = await page.evaluate(([url, token, tool]) => globalThis.client.call(url, token, 'legacy', tool, {}).then(() => '', String), [options.url, token, options.tool]);
  require(failed !== '', 'The SDK connected from a foreign page.');
  say('foreign', { error: failed });
}

async function main() {
  require(options.url && options.port && token, '--url, --port and the variable TOKEN are needed.');
  const script = await bundled();
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: options.chromium, args }).catch((error) => {
    throw new Error(`Chromium does not start from ${options.chromium} (set CHROMIUM): ${error.message.split('\n')[0]}`);
  });
  const pages = [];
  try {
    for (const [port, run] of [[Number(options.port), allowed], [0, foreign]]) {
      const served = await serve(script, port);
      pages.push(served.server);
      const context = await browser.newContext();
      context.setDefaultTimeout(LIMIT_MS);
      const page = await context.newPage();
      await page.goto(served.origin);
      await run(page);
      await context.close();
    }
  } finally {
    await browser.close();
    for (const server of pages) {
      server.close();
      server.closeAllConnections();
    }
  }
}

try {
  await main();
} catch (error) {
  console.log(JSON.stringify({ step: 'failed', ok: false, error: error.message }));
  console.error(`page: ${error.message}`);
  process.exitCode = 1;
}
