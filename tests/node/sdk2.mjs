// How is the TypeScript SDK 2.x driven? Both eras, and `auto`, which probes.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

export const ERAS = ['legacy', 'modern', 'auto'];
const MODES = { legacy: 'legacy', modern: { pin: '2026-07-28' }, auto: 'auto' };

/** One connection attempt: {client, transport}; UnauthorizedError when the person has to log in first. */
export async function connect(url, authProvider, era) {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  const info = { name: 'wicketgate-typescript-2-test-client', version: '1.0.0' };
  const client = new Client(info, { versionNegotiation: { mode: MODES[era] } });
  try {
    await client.connect(transport);
  } catch (error) {
    if (isUnauthorized(error)) throw Object.assign(error, { transport });
    throw error;
  }
  return { client, transport, protocol: client.getNegotiatedProtocolVersion() };
}

export const isUnauthorized = (error) => error instanceof UnauthorizedError;
/** The whole answer, so that the SDK compares `iss` (RFC 9207) before it redeems the code. */
export const finishAuth = (transport, answer) => transport.finishAuth(answer);
export const callTool = (client, params, options) => client.callTool(params, options);
