// An OAuth client by others (oauth4webapi) with a DPoP key of its own, for the end-to-end tests.
//
// In:  lines of JSON on stdin. The first: {"issuer": URL, "clientId": "", "clientSecret": "", "resource": "", "scope": "",
//      "alg": "ES256"}; then one a request: {"method": "GET", "url": URL, "body": any JSON or null, "bearer": false}.
//      Stdin is the lifeline too: when it closes, the client ends.
// Out: a line of JSON for each. For the first {"token": "", "tokenType": "", "jkt": ""}; for a request {"status": 200, "body": {},
//      "attempts": 1, "nonce": null, "headers": {} that were sent, "challenges": [{"scheme", "parameters"}]}.
import { createInterface } from 'node:readline';

import * as oauth from 'oauth4webapi';

const insecure = { [oauth.allowInsecureRequests]: true };

async function getToken({ issuer, clientId, clientSecret, resource, scope, alg }) {
  const url = new URL(issuer);
  const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
  const client = { client_id: clientId };
  const keys = await oauth.generateKeyPair(alg);
  const dpop = oauth.DPoP(client, keys);
  const secret = oauth.ClientSecretPost(clientSecret);
  const request = () =>
    oauth.clientCredentialsGrantRequest(server, client, secret, { scope, resource }, { ...insecure, DPoP: dpop });
  const answer = await oauth.processClientCredentialsResponse(server, client, await request());
  return { dpop, token: answer.access_token, tokenType: answer.token_type };
}

async function call({ dpop, token }, { method, url, body, bearer }) {
  let attempts = 0;
  let sent;
  const options = {
    ...insecure,
    ...(bearer ? {} : { DPoP: dpop }),
    [oauth.customFetch]: (target, init) => {
      attempts += 1;
      sent = init.headers;
      return fetch(target, init);
    },
  };
  const payload = body === null ? null : JSON.stringify(body);
  const headers = new Headers(payload === null ? {} : { 'content-type': 'application/json' });
  const request = () => oauth.protectedResourceRequest(token, method, new URL(url), headers, payload, options);
  let response;
  let challenges = [];
  try {
    // as its documentation says: once again where the server asks for a nonce
    response = await request().catch((error) => {
      if (oauth.isDPoPNonceError(error)) return request();
      throw error;
    });
  } catch (error) {
    if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
    ({ response, cause: challenges } = error);
  }
  const text = await response.text();
  return {
    status: response.status,
    body: text === '' ? null : JSON.parse(text),
    attempts,
    nonce: response.headers.get('dpop-nonce'),
    headers: sent,
    challenges,
  };
}

let session;
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (session === undefined) {
    session = await getToken(message);
    const { token, tokenType, dpop } = session;
    console.log(JSON.stringify({ token, tokenType, jkt: await dpop.calculateThumbprint() }));
  } else {
    console.log(JSON.stringify(await call(session, message)));
  }
}
