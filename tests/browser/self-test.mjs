// Does login.mjs get through pages of the contract's shape, and does it notice what a person with a browser would?
// (node --test self-test.mjs; needs Chromium, path in CHROMIUM)
//
// A small authorization server of this file's own, started with one flaw at a time.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const LOGIN = new URL('login.mjs', import.meta.url).pathname;
const CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; img-src data:";

function pageOf(title, form, flaw) {
  const extra = flaw === 'inline script' ? '<script>document.title = "x"</script>' : '';
  const wide = flaw === 'too wide' ? '<pre>' + 'wide '.repeat(100) + '</pre>' : '';
  return `<!doctype html><html lang="en"><head><title>${title}</title><link rel="icon" href="data:,">${extra}</head><body>${wide}${form}</body></html>`;
}

const loginForm = (ticket, flaw) =>
  `<form method="post" action="/login"><input type="hidden" name="ticket" value="${ticket}">
   ${flaw === 'no label' ? 'User' : '<label for="u">User</label>'} <input id="u" name="username">
   <label>Password <input name="password" type="password"></label><button>Sign in</button></form>`;
const consentForm = (ticket) =>
  `<form method="post" action="/consent"><input type="hidden" name="ticket" value="${ticket}">
   <button name="decision" value="approve">Allow</button> <button name="decision" value="deny">Deny</button></form>`;

async function bodyOf(request) {
  let text = '';
  for await (const piece of request) text += piece;
  return text;
}

/** An authorization server with one client-visible flaw (or none). */
async function authorizationServer(flaw) {
  const waiting = new Map();
  let issuer;
  const html = (response, text, status = 200) => {
    // A form-action that knows only its own origin also forbids the redirect that follows the form.
    const policy = flaw === 'form-action' ? `${CSP}; form-action 'self'` : CSP;
    response.writeHead(status, { 'content-type': 'text/html', 'content-security-policy': policy }).end(text);
  };
  const json = (response, value) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const back = (form) => {
    const asked = waiting.get(form.get('ticket'));
    const to = new URL(asked.get('redirect_uri'));
    to.searchParams.set('state', flaw === 'other state' ? 'x' : asked.get('state'));
    to.searchParams.set('iss', flaw === 'other iss' ? `${issuer}/` : issuer);
    if (form.get('decision') === 'approve') to.searchParams.set('code', 'the-code');
    else to.searchParams.set('error', 'access_denied');
    return String(to);
  };
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, issuer);
    const form = new URLSearchParams(await bodyOf(request));
    const ticket = form.get('ticket') ?? String(waiting.size + 1);
    const redirect = (to) => response.writeHead(303, { location: to }).end();
    if (pathname === '/.well-known/oauth-authorization-server') {
      json(response, { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, registration_endpoint: `${issuer}/register` });
    } else if (pathname === '/register') json(response, { client_id: 'a-client' });
    else if (pathname === '/token') json(response, { access_token: 'a', token_type: 'Bearer', expires_in: 60 });
    else if (pathname === '/authorize') {
      waiting.set(ticket, searchParams);
      html(response, pageOf('Sign in', loginForm(ticket, flaw), flaw));
    } else if (pathname === '/login' && form.get('password') !== 'right') html(response, pageOf('Sign in', loginForm(ticket, flaw)), 401);
    else if (pathname === '/login') html(response, pageOf('Allow?', consentForm(ticket)));
    else redirect(back(form));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${server.address().port}`;
  after(() => server.close() && server.closeAllConnections());
  return issuer;
}

async function login(issuer, ...more) {
  const child = spawn(process.execPath, [LOGIN, '--issuer', issuer, '--user', 'alice', '--password', 'right', ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (piece) => (out += piece));
  child.stderr.on('data', (piece) => (errors += piece));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, errors, steps: out.trim().split('\n').map((line) => JSON.parse(line).step) };
}

const whole = ['register', 'login', 'consent', 'redirect', 'token'];
for (const [more, steps] of [
  [[], whole],
  [['--no-javascript'], whole],
  [['--wrong-password-first'], ['register', 'login', 'login-refused', ...whole.slice(2)]],
  [['--decision', 'deny'], whole.slice(0, 4)],
]) {
  test(`a flow without a flaw ${more.join(' ')}`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'browser-'));
    after(() => rmSync(directory, { recursive: true, force: true }));
    const done = await login(await authorizationServer(null), '--screenshots', directory, ...more);
    assert.equal(done.code, 0, done.errors);
    assert.deepEqual(done.steps, steps);
    assert.ok(existsSync(join(directory, 'consent-narrow.png')), String(readdirSync(directory)));
  });
}

for (const [flaw, sentence] of [
  ['inline script', /policy: script-src/],
  ['form-action', /did not come back to the client: .*form-action/],
  ['no label', /has no label: username/],
  ['too wide', /px wide on a screen of 390/],
  ['other state', /state came back as x/],
  ['other iss', /iss is .*\/, expected/],
]) {
  test(`noticed: ${flaw}`, async () => {
    const done = await login(await authorizationServer(flaw));
    assert.equal(done.code, 1);
    assert.match(done.errors, sentence);
  });
}
