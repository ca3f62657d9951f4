// How is the TypeScript SDK 1.x driven? Legacy era only; the SDK itself knows no other.

import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

export const ERAS = ['legacy'];

/** One connection attempt: {client, transport}; UnauthorizedError when the person has to log in first. */
export async function connect(url, authProvider) {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  const client = new Client({ name: 'wicketgate-typescript-1-test-client', version: '1.0.0' });
  await connectOrClose(client, transport);
  return { client, transport, protocol: transport.protocolVersion };
}

async function connectOrClose(client, transport) {
  try {
    await client.connect(transport);
  } catch (error) {
    if (error instanceof UnauthorizedError) throw Object.assign(error, { transport });
    throw error;
  }
}

export const isUnauthorized = (error) => error instanceof UnauthorizedError;
export const finishAuth = (transport, answer) => transport.finishAuth(answer.get('code'));
export const callTool = (client, params, options) => client.callTool(params, undefined, options);
