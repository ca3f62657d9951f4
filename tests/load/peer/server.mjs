// Another authorization server (oidc-provider) as an operator would set it up for what is measured: refresh with rotation,
// registration, introspection. `node server.mjs PORT sqlite:FILE`, or `redis:URL`; prints a line when it listens.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, store] = process.argv.slice(2);
const [kind, ...where] = store.split(":");
const { adapter } = await import(`./${kind}.mjs`);
const RESOURCE = "http://127.0.0.1:8080/mcp";
const SCOPE = "mcp:read";

// Of the same kind as ours.
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = { ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: "peer" };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: adapter(where.join(":")),
  jwks: { keys: [key] },
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  scopes: [SCOPE, "offline_access"],
  rotateRefreshToken: true,
  issueRefreshToken: async (_context, client) => client.grantTypeAllowed("refresh_token"),
  findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  ttl: { AccessToken: 600, RefreshToken: 14 * 24 * 3600, Grant: 90 * 24 * 3600 },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => RESOURCE,
      useGrantedResource: async () => true,
      // Access tokens are JWTs, of which this server stores nothing: as with ours.
      getResourceServerInfo: async () => ({
        scope: SCOPE,
        audience: RESOURCE,
        accessTokenTTL: 600,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});

// Stands for the sign-in, which is not measured: a grant of a registered client, a refresh token, and an opaque access token.
provider.use(async (context, next) => {
  if (context.path !== "/seed") return next();
  const client = await provider.Client.find(context.query.client_id);
  const grant = new provider.Grant({ accountId: "alice", clientId: client.clientId });
  grant.addResourceScope(RESOURCE, SCOPE);
  grant.addOIDCScope("openid");
  const grantId = await grant.save();
  const common = { accountId: "alice", client, grantId, gty: "authorization_code" };
  const refresh = new provider.RefreshToken({ ...common, scope: SCOPE, resource: RESOURCE, rotations: 0 });
  const opaque = new provider.AccessToken({ ...common, scope: "openid" });
  context.body = { refresh_token: await refresh.save(), opaque: await opaque.save() };
});

provider.on("server_error", (_context, error) => console.error(error));
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
