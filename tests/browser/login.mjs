// Does the login work for a person with a real browser?
//
// Runs an authorization code flow with PKCE in headless Chromium: the client's redirect listener is on a loopback port,
// the browser fills in the login form, presses approve (or deny) and comes back with code, state and iss. Every page is
// photographed, wide and narrow, and must be free of console errors, failed requests, CSP violations and what axe-core finds
// against WCAG 2.1 AA; with --account, the user's account as well, where access is ended and the user signs out. A real browser
// sees what a form-walking program cannot: a form-action that forbids the redirect, a style that the policy blocks, a
// cookie that does not come back. Output: one JSON object per finished step; README.md has the commands.

import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

const LIMIT_MS = 30_000;
const WIDE = { width: 1100, height: 800 };
const NARROW = { width: 390, height: 800 };

const { values: options } = parseArgs({
  options: {
    issuer: { type: 'string' },
    'authorize-url': { type: 'string' },
    'client-id': { type: 'string' },
    resource: { type: 'string' },
    scope: { type: 'string' },
    user: { type: 'string' },
    password: { type: 'string' },
    decision: { type: 'string', default: 'approve' },
    'wrong-password-first': { type: 'boolean', default: false },
    'no-javascript': { type: 'boolean', default: false },
    account: { type: 'boolean', default: false },
    screenshots: { type: 'string' },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
  },
});

const say = (step, details = {}) => console.log(JSON.stringify({ step, ok: true, ...details }));

function require(condition, sentence) {
  if (!condition) throw new Error(sentence);
}

/** The client's end: answers the redirect and gives its parameters. Port 0 takes a free one. */
async function listen(port, path) {
  let arrived;
  const answer = new Promise((resolve) => (arrived = resolve));
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://127.0.0.1');
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end('<!doctype html><html lang="en"><head><link rel="icon" href="data:,"><title>Back at the client</title></head><body>Done.</body></html>');
    if (url.pathname === path) arrived(url.searchParams);
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return { server, answer, redirectUri: `http://127.0.0.1:${server.address().port}${path}` };
}

async function metadataOf(issuer) {
  const { origin, pathname } = new URL(issuer);
  const response = await fetch(`${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`);
  require(response.ok, `The metadata of ${issuer} answered ${response.status}.`);
  const metadata = await response.json();
  require(metadata.issuer === issuer, `The issuer is ${metadata.issuer}, expected ${issuer}.`);
  return metadata;
}

async function register(metadata, redirectUri) {
  const body = { client_name: 'Wicketgate browser test', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
  const response = await fetch(metadata.registration_endpoint, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const answer = await response.json();
  require(response.ok, `The registration answered ${response.status}: ${JSON.stringify(answer)}.`);
  say('register', { client_id: answer.client_id, redirect_uri: redirectUri });
  return answer.client_id;
}

/** What to open, and what must come back. From --authorize-url as it is, else made from --issuer. */
async function prepare() {
  if (options['authorize-url']) {
    const url = new URL(options['authorize-url']);
    const redirect = new URL(url.searchParams.get('redirect_uri'));
    const listener = await listen(Number(redirect.port), redirect.pathname);
    return { url, listener, state: url.searchParams.get('state'), issuer: options.issuer };
  }
  const metadata = await metadataOf(options.issuer);
  const listener = await listen(0, '/callback');
  const client = options['client-id'] ?? (await register(metadata, listener.redirectUri));
  const verifier = randomBytes(48).toString('base64url');
  const state = randomBytes(16).toString('base64url');
  const url = new URL(metadata.authorization_endpoint);
  const query = { response_type: 'code', client_id: client, redirect_uri: listener.redirectUri, state, code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256', resource: options.resource, scope: options.scope };
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  return { url, listener, state, issuer: options.issuer, metadata, client, verifier };
}

/** Collects everything that a developer console would show in red. */
function watch(page) {
  const troubles = [];
  page.on('console', (message) => message.type() === 'error' && troubles.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => troubles.push(`script: ${error.message}`));
  page.on('requestfailed', (request) => troubles.push(`request: ${request.url()} ${request.failure()?.errorText}`));
  page.on('response', (response) => response.status() >= 500 && troubles.push(`status: ${response.status()} ${response.url()}`));
  return troubles;
}

async function openPage(browser) {
  const context = await browser.newContext({ viewport: WIDE, javaScriptEnabled: !options['no-javascript'] });
  context.setDefaultTimeout(LIMIT_MS);
  const page = await context.newPage();
  const troubles = watch(page);
  await page.exposeFunction('reportViolation', (text) => troubles.push(`policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      globalThis.reportViolation(`${event.violatedDirective} blocked ${event.blockedURI || 'inline code'}`);
    });
  });
  return { page, troubles };
}

/** Photographs the page wide and narrow, light and dark, and looks at what a person would stumble over. */
async function inspect(page, name, troubles) {
  require((await page.title()).trim() !== '', `The ${name} page has no title.`);
  require((await page.locator('html').getAttribute('lang')) !== null, `The ${name} page does not say its language.`);
  for (const input of await page.locator('input:not([type=hidden])').all()) {
    const labelled = await input.evaluate((element) => element.labels.length > 0 || element.hasAttribute('aria-label'));
    require(labelled, `An input of the ${name} page has no label: ${await input.getAttribute('name')}.`);
  }
  await requireAccessible(page, name);
  await photograph(page, `${name}-wide`);
  await page.setViewportSize(NARROW);
  await photograph(page, `${name}-narrow`);
  const width = await page.locator('html').evaluate((element) => element.scrollWidth);
  require(width <= NARROW.width, `The ${name} page is ${width} px wide on a screen of ${NARROW.width}.`);
  await page.setViewportSize(WIDE);
  require(troubles.length === 0, `The ${name} page: ${troubles.join('; ')}`);
  say(name, { title: await page.title() });
}

/** What axe-core finds in light and dark; it is a script itself, so pages without script are left to the checks above. */
async function requireAccessible(page, name) {
  if (options['no-javascript']) return;
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
    const { violations, passes } = await page.evaluate((values) => globalThis.axe.run({ runOnly: { type: 'tag', values } }), tags);
    const found = violations.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html }) => html).join(' ')}`);
    require(found.length === 0, `The ${name} page, ${colorScheme}: ${found.join('; ')}`);
    require(passes.length > 0, `axe-core looked at nothing on the ${name} page.`);
  }
}

async function photograph(page, name) {
  if (!options.screenshots) return;
  for (const [colorScheme, suffix] of [['dark', '-dark'], ['light', '']]) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(options.screenshots, `${name}${suffix}.png`), fullPage: true });
  }
}

async function logIn(page, password) {
  const form = page.locator('form', { has: page.locator('input[name=password]') });
  await form.locator('input[name=username]').fill(options.user);
  await form.locator('input[name=password]').fill(password);
  const before = page.url();
  await Promise.all([page.waitForEvent('load'), form.locator('button, input[type=submit]').first().click()]);
  return before;
}

/** The parameters of the redirect; an error as soon as the browser shows one, or after the time limit. */
async function returned(page, listener, troubles) {
  let watcher;
  const problem = new Promise((_, reject) => {
    const until = Date.now() + LIMIT_MS;
    watcher = setInterval(() => {
      if (troubles.length === 0 && Date.now() < until) return;
      reject(new Error(`The browser did not come back to the client: ${troubles.join('; ') || page.url()}`));
    }, 100);
  });
  return Promise.race([listener.answer, problem]).finally(() => clearInterval(watcher));
}

async function flow(page, troubles, { url, listener, state, issuer }) {
  await page.goto(String(url));
  await page.locator('input[name=password]').waitFor();
  await inspect(page, 'login', troubles);
  if (options['wrong-password-first']) {
    await logIn(page, `${options.password}-wrong`);
    // Refused with a status of its own, which the console shows in red: that one is meant.
    troubles.splice(0, troubles.length, ...troubles.filter((text) => !/^console: Failed to load resource.*40[013]/.test(text)));
    await page.locator('input[name=password]').waitFor();
    await inspect(page, 'login-refused', troubles);
  }
  await logIn(page, options.password);
  const button = page.locator(`[name=decision][value=${options.decision}]`);
  await button.waitFor().catch(() => require(false, `No consent page came after the login but "${page.url().split('?')[0]}": ${troubles.join('; ')}`));
  await inspect(page, 'consent', troubles);
  await button.click();
  const answer = await returned(page, listener, troubles);
  await page.waitForLoadState();
  await photograph(page, 'redirect');
  require(troubles.length === 0, `After the consent: ${troubles.join('; ')}`);
  require(answer.get('state') === state, `The state came back as ${answer.get('state')}.`);
  if (issuer) require(answer.get('iss') === issuer, `iss is ${answer.get('iss')}, expected ${issuer}.`);
  const denied = options.decision === 'deny';
  require(denied ? answer.get('error') === 'access_denied' && !answer.get('code') : answer.get('code'), `The answer was ${answer}.`);
  say('redirect', { parameters: [...answer.keys()].sort(), error: answer.get('error') });
  return answer;
}

/** The code works once, for the client that asked for it. */
async function exchange({ metadata, client, verifier, listener }, answer) {
  const body = new URLSearchParams({ grant_type: 'authorization_code', code: answer.get('code'), code_verifier: verifier, client_id: client, redirect_uri: listener.redirectUri });
  if (options.resource) body.set('resource', options.resource);
  const response = await fetch(metadata.token_endpoint, { method: 'POST', body });
  const token = await response.json();
  require(response.ok && token.access_token, `The token endpoint answered ${response.status}: ${token.error ?? ''}.`);
  say('token', { token_type: token.token_type, scope: token.scope, expires_in: token.expires_in });
}

/** Presses the button of this name and waits for the page that follows. */
async function press(page, name) {
  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name, exact: true }).click()]);
}

/** The user's account: sees the access that was just given, ends it, and signs out. */
async function account(page, troubles, issuer) {
  await page.goto(`${issuer}/account`);
  await page.locator('section.card').waitFor();
  for (const summary of await page.locator('summary').all()) await summary.click();
  await inspect(page, 'account', troubles);
  await press(page, 'End access');
  const told = await page.getByRole('status').textContent();
  require(told === 'That access has ended.' && (await page.locator('section.card').count()) === 0, `The account page said "${told}".`);
  await inspect(page, 'account-ended', troubles);
  await page.goto(`${issuer}/logout`);
  await inspect(page, 'sign-out', troubles);
  await press(page, 'Sign out');
  await inspect(page, 'signed-out', troubles);
  await page.goto(`${issuer}/account`);
  require((await page.locator('input[name=password]').count()) === 1, 'The account page did not ask to sign in after the user had signed out.');
}

async function main() {
  require((options.issuer || options['authorize-url']) && options.user && options.password, '--issuer or --authorize-url, --user and --password are needed.');
  if (options.screenshots) mkdirSync(options.screenshots, { recursive: true });
  const task = await prepare();
  // Chromium refuses to run as root with its sandbox; the pages are our own.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: options.chromium, args }).catch((error) => {
    throw new Error(`Chromium does not start from ${options.chromium} (set CHROMIUM): ${error.message.split('\n')[0]}`);
  });
  try {
    const { page, troubles } = await openPage(browser);
    const answer = await flow(page, troubles, task);
    if (task.metadata && options.decision === 'approve') await exchange(task, answer);
    if (options.account) await account(page, troubles, task.issuer);
  } finally {
    await browser.close();
    task.listener.server.close();
    task.listener.server.closeAllConnections();
  }
}

try {
  await main();
} catch (error) {
  console.log(JSON.stringify({ step: 'failed', ok: false, error: error.message }));
  console.error(`browser login: ${error.message}`);
  process.exitCode = 1;
}
