// Does the MCP Inspector's command line work with a bearer token: tools/list, an allowed call, a denied one, no token?
//
// Runs the pinned Inspector (inspector/package-lock.json) as a subprocess in an empty home, so that it finds no stored
// logins of a developer's. The token comes from --token-file or WICKETGATE_TOKEN. Output as in client.mjs.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const PROGRAM = new URL('inspector/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url).pathname;
const LIMIT_MS = 120_000;

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    'token-file': { type: 'string' },
    eras: { type: 'string', default: 'legacy,modern' },
    'allowed-tool': { type: 'string', default: 'search_notes' },
    'allowed-args': { type: 'string', default: '{"query": "report"}' },
    'denied-tool': { type: 'string', default: 'drop_everything' },
  },
});

const say = (step, details) => console.log(JSON.stringify({ step, ok: true, ...details }));
const fail = (sentence) => {
  throw new Error(sentence);
};

/** One Inspector run: its exit code, what it printed as JSON, and its error object, if any. */
function inspect(home, token, ...words) {
  const header = token ? ['--header', `Authorization: Bearer ${token}`] : [];
  const fixed = ['--format', 'json', '--quiet', '--stored-auth-only'];
  // The Inspector is written for Node 22.19; it runs on 20 as well, which the one-line command relies on.
  const child = spawn(process.execPath, [PROGRAM, '--cli', options.url, ...header, ...fixed, ...words], {
    env: { ...process.env, HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (piece) => (out += piece));
  child.stderr.on('data', (piece) => (err += piece));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, result: parsed(out)?.result, error: parsed(err)?.error, err }));
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function inEra(home, token, era) {
  const tool = options['allowed-tool'];
  const list = await inspect(home, token, '--protocol-era', era, '--method', 'tools/list');
  const tools = list.result?.tools.map(({ name }) => name) ?? fail(`tools/list ended with ${list.code}: ${list.err}`);
  if (!tools.includes(tool)) fail(`${tool} is not listed: ${tools}.`);
  say('list', { era, tools });

  const named = ['--protocol-era', era, '--method', 'tools/call', '--tool-name'];
  const call = await inspect(home, token, ...named, tool, '--tool-args-json', options['allowed-args']);
  if (call.code !== 0 || call.result?.isError) fail(`${tool} ended with ${call.code}: ${call.err}`);
  say('call', { era, tool, text: call.result.content[0]?.text?.slice(0, 200) });

  const denied = await inspect(home, token, ...named, options['denied-tool']);
  if (denied.code === 0) fail(`${options['denied-tool']} was not denied.`);
  say('denied', { era, tool: options['denied-tool'], exit: denied.code, message: denied.error?.message ?? denied.err.trim() });

  const nobody = await inspect(home, undefined, '--protocol-era', era, '--method', 'tools/list');
  if (nobody.error?.code !== 'auth_required') fail(`Without a token it ended with ${nobody.code}: ${nobody.err}`);
  say('no-token', { era, exit: nobody.code });
}

async function main() {
  const token = (options['token-file'] ? readFileSync(options['token-file'], 'utf8') : process.env.WICKETGATE_TOKEN ?? '').trim();
  if (!options.url || !token) fail('--url is needed, and a token in --token-file or WICKETGATE_TOKEN.');
  if (!existsSync(PROGRAM)) fail('The Inspector is not installed: run tests/node/install.sh.');
  const home = mkdtempSync(join(tmpdir(), 'inspector-'));
  try {
    for (const era of options.eras.split(',')) await inEra(home, token, era);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.log(JSON.stringify({ step: 'failed', ok: false, error: error.message }));
  console.error(`inspector: ${error.message}`);
  process.exitCode = 1;
}
