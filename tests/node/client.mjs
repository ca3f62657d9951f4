// Do the official TypeScript SDKs get through the whole product: discovery, login, calls, denials, streams, refresh?
//
// The counterpart of tests/python/client.py: the same options, steps and output. One JSON object per finished step; the
// first failure ends the run with exit code 1 and one sentence. README.md has the commands.

import { parseArgs } from 'node:util';
import { Provider } from './provider.mjs';

const STEPS = ['discover', 'list', 'call', 'progress', 'denied', 'slow', 'resource', 'prompt', 'refresh'];
const OPTIONS = {
  url: { type: 'string' },
  user: { type: 'string' },
  password: { type: 'string' },
  'no-auth': { type: 'boolean', default: false },
  sdk: { type: 'string', default: '2' },
  era: { type: 'string', default: 'legacy' },
  steps: { type: 'string', default: STEPS.join(',') },
  'allowed-tool': { type: 'string', default: 'search_notes' },
  'allowed-args': { type: 'string', default: '{"query": "report"}' },
  'slow-tool': { type: 'string', default: 'run_report' },
  'short-seconds': { type: 'string', default: '2' },
  'slow-seconds': { type: 'string', default: '90' },
  'denied-tool': { type: 'string', default: 'drop_everything' },
  'denied-args': { type: 'string', default: '{}' },
  hidden: { type: 'string', multiple: true, default: [] },
  resource: { type: 'string', default: 'notes://index' },
  prompt: { type: 'string', default: 'weekly_digest' },
  'prompt-args': { type: 'string', default: '{}' },
};

/** A step that did not go as it must; the message is a sentence for people. */
class StepFailed extends Error {}

const say = (step, details = {}) => console.log(JSON.stringify({ step, ok: true, ...details }));
const textOf = (result) => (result.content ?? []).filter((part) => part.type === 'text').map((part) => part.text).join('\n');

function require(condition, sentence) {
  if (!condition) throw new StepFailed(sentence);
}

/** Connects, with one login on the way if the server wants one. */
async function connect(sdk, options, provider) {
  try {
    return await sdk.connect(options.url, provider, options.era);
  } catch (error) {
    if (!provider || !sdk.isUnauthorized(error) || !provider.answer) throw error;
    await sdk.finishAuth(error.transport, provider.answer);
    return sdk.connect(options.url, provider, options.era);
  }
}

const steps = {
  async list({ client, options }) {
    const tools = (await client.listTools()).tools.map((tool) => tool.name);
    const shown = options.hidden.filter((name) => tools.includes(name));
    require(tools.includes(options['allowed-tool']), `${options['allowed-tool']} is not listed: ${tools}.`);
    require(shown.length === 0, `tools/list shows ${shown}, which the policy hides.`);
    return { tools };
  },

  async call({ client, sdk, options }) {
    const tool = options['allowed-tool'];
    const result = await sdk.callTool(client, { name: tool, arguments: JSON.parse(options['allowed-args']) });
    require(!result.isError, `${tool} answered with an error: ${textOf(result)}`);
    return { tool, text: textOf(result).slice(0, 200) };
  },

  progress: (run) => callWithProgress(run, Number(run.options['short-seconds'])),
  slow: (run) => callWithProgress(run, Number(run.options['slow-seconds'])),

  async denied({ client, sdk, options }) {
    const tool = options['denied-tool'];
    let result;
    try {
      result = await sdk.callTool(client, { name: tool, arguments: JSON.parse(options['denied-args']) });
    } catch (error) {
      return { tool, code: error.code ?? null, message: error.message };
    }
    throw new StepFailed(`${tool} was not denied; it answered "${textOf(result)}" (isError ${result.isError ?? false}).`);
  },

  async resource({ client, options }) {
    const listed = (await client.listResources()).resources.map((resource) => resource.uri);
    require(listed.includes(options.resource), `${options.resource} is not listed: ${listed}.`);
    const { contents } = await client.readResource({ uri: options.resource });
    require(contents[0]?.text, `${options.resource} is empty.`);
    return { listed, uri: options.resource, characters: contents[0].text.length };
  },

  async prompt({ client, options }) {
    const listed = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
    require(listed.includes(options.prompt), `${options.prompt} is not listed: ${listed}.`);
    const { messages } = await client.getPrompt({ name: options.prompt, arguments: JSON.parse(options['prompt-args']) });
    require(messages.length > 0, `${options.prompt} has no message.`);
    return { listed, prompt: options.prompt, messages: messages.length };
  },

  /** A call with a token that the server refuses: the SDK must get a new one by itself and carry on. */
  async refresh(run) {
    const { provider } = run;
    if (!provider) return null;
    const before = provider.tokens();
    const logins = provider.logins;
    require(before.refresh_token, 'The authorization server gave no refresh token.');
    provider.spoilAccessToken();
    await steps.call(run);
    const after = provider.tokens();
    require(!after.access_token.startsWith(before.access_token), 'No new access token came from the refresh.');
    require(provider.logins === logins, 'The refresh failed: the SDK started a new login.');
    const rotated = after.refresh_token !== before.refresh_token;
    return { new_access_token: true, refresh_token_rotated: rotated, expires_in: after.expires_in };
  },
};

async function callWithProgress({ client, sdk, options }, seconds) {
  const seen = [];
  const begun = performance.now();
  const result = await sdk.callTool(
    client,
    { name: options['slow-tool'], arguments: { seconds } },
    { onprogress: ({ progress }) => seen.push(progress), timeout: (seconds + 60) * 1000 },
  );
  require(!result.isError, `${options['slow-tool']} answered with an error: ${textOf(result)}`);
  require(seen.length >= seconds, `Only ${seen.length} progress notices in ${seconds} s: ${seen}.`);
  require(seen.every((value, at) => at === 0 || seen[at - 1] <= value), `Progress came out of order: ${seen}.`);
  return { tool: options['slow-tool'], progress: seen.length, seconds: Math.round((performance.now() - begun) / 100) / 10 };
}

/** What a client without a token is told: the challenge, and the two documents it leads to. */
async function discover(url) {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const refused = await fetch(url, { method: 'POST', headers, body });
  await refused.text();
  const challenge = refused.headers.get('www-authenticate') ?? '';
  require(refused.status === 401, `Without a token the answer was ${refused.status}, not 401.`);
  const where = /resource_metadata="([^"]+)"/.exec(challenge)?.[1];
  require(where, `The challenge names no resource_metadata: ${challenge}.`);
  const resource = await (await fetch(where)).json();
  require(resource.resource === url, `The metadata is for ${resource.resource}.`);
  const issuer = resource.authorization_servers[0];
  const path = new URL(issuer).pathname.replace(/\/$/, '');
  const server = await (await fetch(`${new URL(issuer).origin}/.well-known/oauth-authorization-server${path}`)).json();
  require(server.issuer === issuer, `The issuer is ${server.issuer}, expected ${issuer}.`);
  require(server.code_challenge_methods_supported.includes('S256'), 'The issuer does not announce PKCE S256.');
  say('discover', { challenge, issuer, registration: 'registration_endpoint' in server });
}

async function runAll(options) {
  const sdk = await import(`./sdk${options.sdk}.mjs`);
  require(sdk.ERAS.includes(options.era), `SDK ${options.sdk} knows the eras ${sdk.ERAS}, not ${options.era}.`);
  const provider = options['no-auth'] ? undefined : new Provider(options.user, options.password, say);
  const wanted = options.steps.split(',').filter(Boolean);
  for (const step of wanted) require(STEPS.includes(step), `There is no step ${step}; there are ${STEPS}.`);
  if (provider && wanted.includes('discover')) await discover(options.url);
  const { client, transport, protocol } = await connect(sdk, options, provider);
  say('connect', { sdk: options.sdk, era: options.era, protocol, server: client.getServerVersion()?.name ?? null });
  const run = { client, sdk, provider, options };
  for (const step of wanted.filter((name) => name !== 'discover')) {
    const details = await steps[step](run);
    if (details) say(step, details);
  }
  if (transport.sessionId) await transport.terminateSession();
  await client.close();
  say('close');
}

const { values: options } = parseArgs({ options: OPTIONS });
if (!options.url || !(options['no-auth'] || (options.user && options.password)) || !['1', '2'].includes(options.sdk)) {
  console.error('usage: client.mjs --url URL (--user U --password P | --no-auth) [--sdk 1|2] [--era legacy|modern|auto] ...');
  process.exit(2);
}
try {
  await runAll(options);
} catch (error) {
  const name = ['StepFailed', 'PageProblem'].includes(error.constructor.name) ? '' : `${error.constructor.name}: `;
  console.log(JSON.stringify({ step: 'failed', ok: false, error: `${name}${error.message}` }));
  console.error(`typescript client: ${name}${error.message}`);
  process.exit(1);
}
