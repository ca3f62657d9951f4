// Do the client programs themselves work, and do they notice when something is wrong? (node --test self-test.mjs)
//
// Starts tests/python/stand_in.py with the Python of PYTHON (default: the tests' own environment under .cache/).

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { formsOf } from './person.mjs';

const at = (path) => new URL(path, import.meta.url).pathname;
const cached = at('../../.cache/python-venv/bin/python');
const python = process.env.PYTHON ?? (existsSync(cached) ? cached : 'python3');
let server;
let listening;

before(async () => {
  server = spawn(python, [at('../python/stand_in.py')], { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface({ input: server.stdout })) {
    listening = JSON.parse(line);
    break;
  }
  assert.ok(listening, `${python} could not start the stand-in`);
});

after(async () => {
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill();
  await ended;
});

async function run(program, ...more) {
  const child = spawn(process.execPath, [at(program), '--url', listening.url, ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (piece) => (out += piece));
  child.stderr.on('data', (piece) => (errors += piece));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, lines: out.trim().split('\n').map((line) => JSON.parse(line)), errors };
}

const client = (...more) => run('client.mjs', '--user', listening.user, '--password', listening.password, ...more);

for (const [sdk, era, protocol] of [['1', 'legacy', '2025-11-25'], ['2', 'legacy', '2025-11-25'], ['2', 'modern', '2026-07-28'], ['2', 'auto', '2026-07-28']]) {
  test(`SDK ${sdk}, ${era}: every step`, async () => {
    const { code, lines, errors } = await client('--sdk', sdk, '--era', era, '--slow-seconds', '3', '--short-seconds', '1');
    assert.equal(code, 0, errors);
    const steps = Object.fromEntries(lines.map((line) => [line.step, line]));
    assert.deepEqual(Object.keys(steps), ['discover', 'login', 'connect', 'list', 'call', 'progress', 'denied', 'slow', 'resource', 'prompt', 'refresh', 'close']);
    assert.deepEqual([steps.connect.protocol, steps.denied.code, steps.slow.progress], [protocol, -32602, 4]);
    assert.deepEqual([steps.login.pages, steps.refresh.refresh_token_rotated], [['login', 'consent'], true]);
  });
}

for (const [more, sentence] of [
  [['--steps', 'list', '--password', 'wrong'], 'The login of alice was refused'],
  [['--steps', 'denied', '--denied-tool', 'search_notes', '--denied-args', '{"query": "x"}'], 'was not denied'],
  [['--steps', 'list', '--hidden', 'run_report'], 'which the policy hides'],
  [['--sdk', '1', '--era', 'modern'], 'SDK 1 knows the eras legacy'],
]) {
  test(`fails with: ${sentence}`, async () => {
    const { code, lines, errors } = await client(...more);
    assert.equal(code, 1);
    assert.ok(errors.includes(sentence), errors);
    assert.equal(lines.at(-1).step, 'failed');
  });
}

test('the Inspector, with a token and without', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'inspector-self-test-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'token');
  const login = ['--url', listening.url, '--user', listening.user, '--password', listening.password];
  const got = spawnSync(python, [at('../python/client.py'), ...login, '--steps', 'list', '--token-out', file]);
  assert.equal(got.status, 0, String(got.stderr));
  const { code, lines, errors } = await run('inspector.mjs', '--token-file', file);
  assert.equal(code, 0, errors);
  assert.deepEqual(lines.map(({ step, era }) => `${step} ${era}`), ['legacy', 'modern'].flatMap((era) => ['list', 'call', 'denied', 'no-token'].map((step) => `${step} ${era}`)));
  const unlisted = await run('inspector.mjs', '--token-file', file, '--allowed-tool', 'no_such_tool', '--eras', 'legacy');
  assert.equal(unlisted.code, 1);
  assert.ok(unlisted.errors.includes('no_such_tool is not listed'), unlisted.errors);
});

test('forms are read as a browser reads them', () => {
  const html = `<form action="/a?x=1&amp;y=2" METHOD=Post><input type=hidden name='t' value="a&quot;b>c"><input name=q>
    <input type="checkbox" name="c" checked><input type="checkbox" name="d"><button name="decision" value="deny">No</button>
    <button type="button" name="nope">x</button></form><input name="outside">`;
  assert.deepEqual(formsOf(html), [{ action: '/a?x=1&y=2', method: 'post', fields: { t: 'a"b>c', q: '', c: 'on' }, buttons: [['decision', 'deny']] }]);
});
