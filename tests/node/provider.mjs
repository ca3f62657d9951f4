// What does the SDK's OAuth flow keep, and who is the person it asks? Both SDK generations take this object.

import { randomUUID } from 'node:crypto';
import { walk } from './person.mjs';

// Nobody listens there: the walk stops where a browser would go to it.
export const REDIRECT_URI = 'http://127.0.0.1:33419/callback';

/** In memory; `logins` counts how often a person was needed, `refreshed` how often tokens were stored. */
export class Provider {
  constructor(user, password, say) {
    Object.assign(this, { user, password, say, logins: 0, answer: null, stored: {} });
  }

  get redirectUrl() {
    return REDIRECT_URI;
  }

  get clientMetadata() {
    return {
      client_name: 'Wicketgate TypeScript test client',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() {
    this.stored.state = randomUUID();
    return this.stored.state;
  }

  clientInformation() {
    return this.stored.client;
  }

  saveClientInformation(client) {
    this.stored.client = client;
  }

  tokens() {
    return this.stored.tokens;
  }

  saveTokens(tokens) {
    this.stored.tokens = tokens;
  }

  saveCodeVerifier(verifier) {
    this.stored.verifier = verifier;
  }

  codeVerifier() {
    return this.stored.verifier;
  }

  saveDiscoveryState(state) {
    this.stored.discovery = state;
  }

  discoveryState() {
    return this.stored.discovery;
  }

  invalidateCredentials(scope) {
    const gone = { all: ['client', 'tokens', 'verifier', 'discovery'], client: ['client'], tokens: ['tokens'], verifier: ['verifier'], discovery: ['discovery'] };
    for (const name of gone[scope] ?? []) delete this.stored[name];
  }

  async redirectToAuthorization(url) {
    this.logins += 1;
    const { pages, answer } = await walk(url, REDIRECT_URI, this.user, this.password);
    this.say('login', { pages, client_id: this.stored.client?.client_id ?? null, answer: [...answer.keys()].sort() });
    if (!answer.get('code')) throw new Error(`The login ended without a code: ${answer}.`);
    if (answer.get('state') !== this.stored.state) throw new Error('The login came back with another state.');
    this.answer = answer;
  }

  /** Makes the server refuse the next request, which is what makes these SDKs use the refresh token. */
  spoilAccessToken() {
    this.stored.tokens = { ...this.stored.tokens, access_token: `${this.stored.tokens.access_token}-expired` };
  }
}
