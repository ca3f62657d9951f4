// What runs in the page: the TypeScript SDK, as an application in a browser uses it. page.mjs bundles it and calls these.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const MODES = { legacy: 'legacy', modern: { pin: '2026-07-28' }, auto: 'auto' };

/** Connects, lists, calls and closes; what the SDK of each era sends besides (GET stream, DELETE) goes the same way. */
async function call(url, token, era, tool, args) {
  const requestInit = token ? { headers: { authorization: `Bearer ${token}` } } : {};
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit });
  const info = { name: 'wicketgate-page', version: '1.0.0' };
  const client = new Client(info, { versionNegotiation: { mode: MODES[era] } });
  await client.connect(transport);
  const tools = (await client.listTools()).tools.map((one) => one.name);
  const result = await client.callTool({ name: tool, arguments: args });
  const session = transport.sessionId ?? null;
  if (session) await transport.terminateSession();
  await client.close();
  return { protocol: client.getNegotiatedProtocolVersion(), tools, session: session !== null, text: result.content?.[0]?.text ?? '' };
}

/** A bare request: status, the header fields that the page may read, and the body; `blocked` where the browser says no. */
async function ask(url, init) {
  try {
    const response = await fetch(url, init);
    return { status: response.status, fields: Object.fromEntries(response.headers), body: await response.text() };
  } catch (error) {
    return { blocked: String(error) };
  }
}

globalThis.client = { call, ask };
