// A certified authorization server (oidc-provider) on loopback, for the end-to-end tests.
//
// In:  one line of JSON on stdin, {"port": 0 for any, "path": "" or "/tenant", "keys": [private JWK, ...],
//      "apiKeys": [public JWK of the resource server, ...]}.
//      Stdin is the lifeline too: when it closes, the server ends, so a killed test run leaves nothing behind.
// Out: one line of JSON on stdout when ready, {"issuer": URL, "control": URL}.
// POST {control}/control/keys with a JSON array of private JWKs replaces the signing keys; the first key that can serve an alg signs.
// GET {control}/control/key-fetches answers how often the key set was fetched.
// POST {control}/control/logout-uri with a JSON string is where the clients orders-web and orders-phone are told of logouts from then on.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { json } from 'node:stream/consumers';

import Provider, { errors } from 'oidc-provider';
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';

const API = 'https://api.example.com';

// What the clients have registered as backchannel_logout_uri: the tests' own address is known later, and on loopback, which
// oidc-provider refuses. Its requests there are sent on.
const LOGOUT = 'https://orders-web.example.com/backchannel-logout';
let logoutUri;

// A client picks audience and alg by the resource that it asks for.
const RESOURCES = new Map();
for (const audience of [API, 'https://other.example.com']) {
  for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']) {
    RESOURCES.set(`${audience}/${alg}`, { audience, alg });
  }
}

// In an alg's place: the token that the client gets is an opaque one.
const OPAQUE = `${API}/opaque`;

function resourceServer(_ctx, resource) {
  const common = { scope: 'orders:read orders:write', accessTokenTTL: 600 };
  if (resource === OPAQUE) return { ...common, audience: API, accessTokenFormat: 'opaque' };
  if (!RESOURCES.has(resource)) throw new errors.InvalidTarget();
  const { audience, alg } = RESOURCES.get(resource);
  return { ...common, audience, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
}

// The resource server, registered once for each way to say that it is the one who asks about tokens.
function resourceServers(keys) {
  const secret = 'orders-api-secret/+%:';
  const api = { grant_types: [], response_types: [], redirect_uris: [] };
  return [
    { client_id: 'orders-api-basic', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' },
    { client_id: 'orders-api-post', client_secret: secret, token_endpoint_auth_method: 'client_secret_post' },
    { client_id: 'orders-api-key', jwks: { keys }, token_endpoint_auth_method: 'private_key_jwt' },
    {
      client_id: 'orders-api-signed',
      client_secret: secret,
      token_endpoint_auth_method: 'client_secret_basic',
      introspection_signed_response_alg: 'ES256',
    },
    { client_id: 'refused-api', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' },
  ].map((client) => ({ ...api, ...client }));
}

// PEM, as the tests send it: no TLS ends here.
function certificate(ctx) {
  const escaped = ctx.get('x-client-certificate');
  return escaped ? decodeURIComponent(escaped) : undefined;
}

const configuration = {
  // Shared by every Provider that a key rotation makes, so that sessions, grants and refresh tokens outlive it.
  adapter: createMemoryAdapter(),
  cookies: { keys: [randomUUID()] },
  clients: [
    {
      client_id: 'orders-service',
      client_secret: 'orders-service-secret',
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    },
    {
      client_id: 'orders-machine',
      client_secret: 'orders-machine-secret',
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      tls_client_certificate_bound_access_tokens: true, // RFC 8705 3.4
    },
    {
      client_id: 'orders-app',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['https://app.example.com/callback'],
    },
    // Two of the same that are told of logouts, one of them by session too.
    ...['orders-web', 'orders-phone'].map((clientId) => ({
      client_id: clientId,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['https://app.example.com/callback'],
      backchannel_logout_uri: LOGOUT,
      backchannel_logout_session_required: clientId === 'orders-web',
    })),
    {
      client_id: 'orders-docs',
      application_type: 'native', // so that the redirect may be to any port of loopback (RFC 8252 7.3)
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1/docs/oauth2-redirect'],
    },
  ],
  clientBasedCORS: (_ctx, origin, client) => client.clientId === 'orders-docs' && new URL(origin).hostname === '127.0.0.1',
  // The session of a client that is told of sessions is in its access tokens, too.
  extraTokenClaims(ctx, _token) {
    const { AuthorizationCode: code, RefreshToken: refresh } = ctx.oidc.entities;
    const sid = (code ?? refresh)?.sid;
    return sid === undefined ? undefined : { sid };
  },
  // without the dispatcher that would keep it from loopback
  fetch: (url, options) => (String(url) === LOGOUT ? fetch(logoutUri, { ...options, dispatcher: undefined }) : fetch(url, options)),
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId !== 'refused-api' },
    jwtIntrospection: { enabled: true },
    mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: certificate },
    revocation: { enabled: true },
    resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
  },
};

async function listen(server, port) {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

// Stdout carries the ready line and nothing else; the library's notices go where its warnings go.
console.info = console.error;

const lines = createInterface({ input: process.stdin });
const [{ port, path, keys, apiKeys }] = (await once(lines, 'line')).map(JSON.parse);
lines.once('close', () => process.exit());
configuration.clients.push(...resourceServers(apiKeys));

let handle;
let keyFetches = 0;
const server = createServer((request, response) => {
  if (!request.url.startsWith(`${path}/`)) {
    response.writeHead(404).end();
    return;
  }
  request.originalUrl = request.url;
  request.url = request.url.slice(path.length);
  if (request.url === '/jwks') keyFetches += 1;
  handle(request, response);
});
const issuer = `${await listen(server, port)}${path}`;

// oidc-provider reads its keys once, when built: new keys are a new Provider in the old one's place.
function signWith(jwks) {
  const provider = new Provider(issuer, { ...configuration, jwks: { keys: jwks } });
  provider.on('server_error', (_ctx, error) => console.error(error));
  provider.on('backchannel.error', (_ctx, error) => console.error(error));
  handle = provider.callback();
}
signWith(keys);

const control = await listen(
  createServer(async (request, response) => {
    switch (`${request.method} ${request.url}`) {
      case 'POST /control/keys':
        signWith(await json(request));
        response.writeHead(204).end();
        break;
      case 'POST /control/logout-uri':
        logoutUri = await json(request);
        response.writeHead(204).end();
        break;
      case 'GET /control/key-fetches':
        response.end(String(keyFetches));
        break;
      default:
        response.writeHead(404).end();
    }
  }),
  0,
);

console.log(JSON.stringify({ issuer, control }));
