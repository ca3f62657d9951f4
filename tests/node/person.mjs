// How does a program get through a login and a consent page the way a person with a browser does?
//
// The same as tests/python/forms.py, without a dependency: it knows no URL and no hidden field of ours, follows
// redirects, parses whatever forms a page has, fills in `username` and `password`, presses `decision=approve`, and stops
// where a browser would leave for the client's redirect URI.

const MOST_PAGES = 12;
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'", '#x27': "'", '#34': '"', '#x2F': '/' };

/** A page that a person could not get through either; the message says which and why. */
export class PageProblem extends Error {}

/**
 * From the authorization request to the redirect that carries the code (or the error).
 * Returns {pages: ['login', 'consent'], answer: URLSearchParams}.
 */
export async function walk(authorizeUrl, redirectUri, user, password, decision = 'approve') {
  const cookies = new Map();
  const pages = [];
  let response = await visit(authorizeUrl, cookies);
  for (let step = 0; step < MOST_PAGES; step += 1) {
    if (response.status >= 300 && response.status < 400 && response.headers.has('location')) {
      const target = new URL(response.headers.get('location'), response.url);
      const wanted = new URL(redirectUri);
      if (target.origin === wanted.origin && target.pathname === wanted.pathname) {
        return { pages, answer: target.searchParams };
      }
      response = await visit(target, cookies);
      continue;
    }
    const { form, page, fields } = await fill(response, pages, user, password, decision);
    pages.push(page);
    const action = form.action ? new URL(form.action, response.url) : new URL(response.url);
    response = await visit(action, cookies, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { origin: new URL(response.url).origin, referer: response.url },
    });
  }
  throw new PageProblem(`The login did not end after ${MOST_PAGES} steps; the pages were ${pages.join(', ')}.`);
}

async function visit(url, cookies, init = {}) {
  const headers = new Headers(init.headers);
  if (cookies.size > 0) headers.set('cookie', [...cookies].map(([name, value]) => `${name}=${value}`).join('; '));
  const response = await fetch(url, { ...init, headers, redirect: 'manual' });
  for (const line of response.headers.getSetCookie()) {
    const [pair, ...attributes] = line.split(';');
    const at = pair.indexOf('=');
    const gone = attributes.some((attribute) => /^\s*max-age\s*=\s*0\s*$/i.test(attribute));
    if (gone) cookies.delete(pair.slice(0, at).trim());
    else cookies.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim());
  }
  return response;
}

async function fill(response, pages, user, password, decision) {
  const place = `${new URL(response.url).pathname} (status ${response.status})`;
  const text = await response.text();
  if (response.status !== 200 && !(response.status === 401 && !pages.includes('login'))) {
    throw new PageProblem(`The page ${place} is no form to fill in: ${JSON.stringify(text.trim().slice(0, 300))}`);
  }
  const posts = formsOf(text).filter((form) => form.method === 'post');
  for (const form of posts) {
    if ('username' in form.fields && 'password' in form.fields) {
      if (pages.includes('login')) throw new PageProblem(`The login of ${user} was refused: ${place} asks again.`);
      return { form, page: 'login', fields: { ...form.fields, username: user, password } };
    }
    if (form.buttons.some(([name, value]) => name === 'decision' && value === decision)) {
      return { form, page: 'consent', fields: { ...form.fields, decision } };
    }
  }
  throw new PageProblem(`The page ${place} has neither a login nor a consent form.`);
}

/** The forms of a page: {action, method, fields: {name: value}, buttons: [[name, value]]}. */
export function formsOf(html) {
  const forms = [];
  let open = null;
  for (const [, closing, tag, rest] of html.matchAll(/<(\/?)(form|input|button)\b((?:[^>"']|"[^"]*"|'[^']*')*)>/gi)) {
    const name = tag.toLowerCase();
    if (name === 'form') {
      const given = attributesOf(rest);
      open = closing ? null : { action: given.action ?? '', method: (given.method ?? 'get').toLowerCase(), fields: {}, buttons: [] };
      if (open) forms.push(open);
    } else if (open && !closing) {
      addField(open, name, attributesOf(rest));
    }
  }
  return forms;
}

function addField(form, tag, given) {
  if (!given.name) return;
  const type = (given.type ?? (tag === 'button' ? 'submit' : 'text')).toLowerCase();
  if (type === 'submit') form.buttons.push([given.name, given.value ?? '']);
  else if (tag === 'input' && (!['checkbox', 'radio'].includes(type) || 'checked' in given)) {
    form.fields[given.name] = given.value ?? (type === 'checkbox' ? 'on' : '');
  }
}

function attributesOf(text) {
  const found = {};
  for (const [, name, , double, single, bare] of text.matchAll(/([^\s"'=\/>]+)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)) {
    found[name.toLowerCase()] = (double ?? single ?? bare ?? '').replace(/&(#?\w+);/g, (all, key) => ENTITIES[key] ?? all);
  }
  return found;
}
