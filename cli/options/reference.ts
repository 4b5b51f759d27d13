// Image references: checked before they are sent, and shown in their short form. Grammar: the distribution project's.
import { CliError } from '../errors.ts';

const pathComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const domainPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const maxNameLength = 255;

export interface Reference {
  /** With the registry: `docker.io/library/busybox`. */
  name: string;
  /** As people write it: `busybox`. */
  familiarName: string;
  /** `latest` when neither tag nor digest was given. */
  tag: string | undefined;
  /** The tag was written, not added. */
  isTagged: boolean;
  digest: string | undefined;
}

export function isImageId(text: string): boolean {
  return /^(sha256:)?[0-9a-f]{64}$/.test(text);
}

export function parseReference(text: string): Reference {
  const fail = (why: string) => new CliError(why);
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw fail(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  let rest = at < 0 ? text : text.slice(0, at);
  const slash = rest.lastIndexOf('/');
  const colon = rest.indexOf(':', slash + 1);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (colon >= 0) rest = rest.slice(0, colon);
  const first = rest.indexOf('/');
  const head = first < 0 ? '' : rest.slice(0, first);
  const hasDomain = /[.:]/.test(head) || head === 'localhost' || head.toLowerCase() !== head;
  const domain = hasDomain ? (head === 'index.docker.io' ? 'docker.io' : head) : 'docker.io';
  const short = hasDomain ? rest.slice(first + 1) : rest;
  const path = domain === 'docker.io' && !short.includes('/') ? `library/${short}` : short;
  if (path.toLowerCase() !== path) throw fail(`invalid reference format: repository name (${path}) must be lowercase`);
  const valid =
    domainPattern.test(domain) &&
    path.split('/').every((component) => pathComponent.test(component)) &&
    (tag === undefined || tagPattern.test(tag)) &&
    (digest === undefined || digestPattern.test(digest));
  if (!valid) throw fail('invalid reference format');
  if (path.length > maxNameLength) throw fail(`repository name must not be more than ${maxNameLength} characters`);
  return {
    name: `${domain}/${path}`,
    familiarName: domain === 'docker.io' ? path.replace(/^library\/(?=[^/]+$)/, '') : `${domain}/${path}`,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    isTagged: tag !== undefined,
    digest,
  };
}

/** Throws when the text is neither an image's id nor a reference. */
export function familiarReference(text: string): string {
  if (isImageId(text)) return text;
  const { familiarName, tag, digest } = parseReference(text);
  return familiarName + (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
}

/** As POST /images/create and /commit take it: name, and tag or digest. */
export function splitReference(text: string): { name: string; tag: string } {
  const { name, tag, digest } = parseReference(text);
  return { name, tag: digest ?? tag ?? 'latest' };
}
