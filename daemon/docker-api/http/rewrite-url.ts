// From the request line to what the router sees: no version, and names of images, networks and links with their slashes encoded, because a router's
// parameter ends at a slash: /v1.43/images/registry/a/b:1/json -> /images/registry%2Fa%2Fb:1/json.
import { stripVersion } from '../api-version.ts';

/** Bytes. Queries may be longer (build arguments); the header limit bounds them. */
export const pathLimit = 8192;

const imageVerbs: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['GET', new Set(['json', 'history', 'get'])],
  ['HEAD', new Set(['json', 'history', 'get'])],
  ['POST', new Set(['push', 'tag'])],
]);

/** What can follow the name of a link, "parent/alias", in place of a container's. */
const containerVerbs: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['GET', new Set(['json', 'top', 'logs', 'changes', 'export', 'stats', 'archive', 'explain'])],
  ['HEAD', new Set(['archive'])],
  ['PUT', new Set(['archive'])],
  ['POST', new Set('start stop restart kill pause unpause wait attach resize exec update rename'.split(' '))],
]);
const linkPath = /^\/containers\/([^/]+)\/([^/]+)\/([a-z]+)$/;

/** Leads to no route: the answer is 404. */
const nowhere = '/%00';

export function rewriteUrl(method: string, url: string): string {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  // An absolute URL (a proxy's request) or `//host`: never followed, never redirected.
  if (path.charCodeAt(0) !== 0x2f || path.charCodeAt(1) === 0x2f) return url === '*' ? '/*' : nowhere;
  if (path.length > pathLimit) return nowhere;
  const plain = stripVersion(path);
  const isOfImage = plain.startsWith('/images/') || plain.startsWith('/distribution/');
  const routed = isOfImage
    ? encodeName(method, plain)
    : plain.startsWith('/networks/')
      ? encodeNetwork(method, plain)
      : encodeLink(method, plain);
  return query < 0 ? routed : routed + url.slice(query);
}

function encodeNetwork(method: string, path: string): string {
  const [, name = '', verb = ''] = /^\/networks\/(.+?)(\/connect|\/disconnect)?$/.exec(path) ?? [];
  // What only names a network ends with its name.
  const whole = method === 'POST' ? name : `${name}${verb}`;
  if (!whole.includes('/') || (method === 'POST' && verb === '')) return path;
  return `/networks/${whole.replaceAll('/', '%2F')}${method === 'POST' ? verb : ''}`;
}

function encodeLink(method: string, path: string): string {
  const [, parent, alias, verb = ''] = linkPath.exec(path) ?? [];
  if (!containerVerbs.get(method)?.has(verb)) return path;
  return `/containers/${parent}%2F${alias}/${verb}`;
}

function encodeName(method: string, path: string): string {
  const start = path.indexOf('/', 1) + 1;
  let end = path.length;
  if (method !== 'DELETE') {
    const last = path.lastIndexOf('/');
    if (last < start) return path;
    const verb = path.slice(last + 1);
    const isVerb = path.startsWith('/distribution/') ? verb === 'json' : imageVerbs.get(method)?.has(verb);
    if (!isVerb) return path;
    end = last;
  }
  const name = path.slice(start, end);
  return name.includes('/') ? `${path.slice(0, start)}${name.replaceAll('/', '%2F')}${path.slice(end)}` : path;
}
