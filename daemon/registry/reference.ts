// Image references as Docker reads them (distribution/reference): [domain/]path[:tag][@digest], normalised to a full name, and back to the
// short form that people see. Reading is linear in the length.
import { EngineError } from '../errors/engine-error.ts';

export interface Reference {
  /** With domain and path: "docker.io/library/busybox". */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const DEFAULT_DOMAIN = 'docker.io';
const OFFICIAL = 'library/';
const MAX_REPOSITORY = 255;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const HEX_64 = /^[0-9a-f]{64}$/;

/** Throws EngineError 'invalid' in Docker's words. */
export function parseReference(text: string): Reference {
  if (HEX_64.test(text)) {
    throw bad(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  if (text.length > 4096) throw bad();
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  let name = at < 0 ? text : text.slice(0, at);
  const colon = name.lastIndexOf(':');
  let tag: string | undefined;
  if (colon > name.lastIndexOf('/')) {
    tag = name.slice(colon + 1);
    name = name.slice(0, colon);
  }
  if (tag !== undefined && !TAG.test(tag)) throw bad();
  if (digest !== undefined && !isValidDigest(digest))
    throw bad(/^sha256:/.test(digest) ? 'invalid checksum digest length' : undefined);
  return { repository: parseRepository(name), tag, digest };
}

/** A repository without tag, as `docker tag` and `docker commit` name it. */
export function parseRepository(name: string): string {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  let domain = isDomain ? first : DEFAULT_DOMAIN;
  let path = isDomain ? name.slice(slash + 1) : name;
  if (domain === 'index.docker.io') domain = DEFAULT_DOMAIN;
  if (path.toLowerCase() !== path) {
    const shown = domain === DEFAULT_DOMAIN && !path.includes('/') ? OFFICIAL + path : path;
    throw bad(`repository name (${shown}) must be lowercase`);
  }
  if (!isValidDomain(domain) || !isValidPath(path)) throw bad();
  if (domain === DEFAULT_DOMAIN && !path.includes('/')) path = OFFICIAL + path;
  const repository = `${domain}/${path}`;
  if (repository.length > MAX_REPOSITORY)
    throw bad(`repository name must not be more than ${MAX_REPOSITORY} characters`);
  return repository;
}

/**
 * "sha256:abc" reads as an id: an image of that name could not be removed by it. `repository` is a full name. Throws in Docker's words.
 */
export function refuseAlgorithm(repository: string): void {
  if (familiarName(repository) !== 'sha256') return;
  throw new EngineError('invalid', 'refusing to create an ambiguous tag using digest algorithm as name');
}

export function isValidTag(tag: string): boolean {
  return TAG.test(tag);
}

/** "docker.io/library/busybox" -> "busybox"; others keep their domain. */
export function familiarName(repository: string): string {
  if (!repository.startsWith(`${DEFAULT_DOMAIN}/`)) return repository;
  const path = repository.slice(DEFAULT_DOMAIN.length + 1);
  return path.startsWith(OFFICIAL) && !path.slice(OFFICIAL.length).includes('/') ? path.slice(OFFICIAL.length) : path;
}

/** As shown: "busybox:latest", "localhost:5000/a@sha256:…". */
export function familiar(reference: Reference): string {
  const { repository, tag, digest } = reference;
  return `${familiarName(repository)}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function isValidDigest(digest: string): boolean {
  if (digest.length > 300 || !DIGEST.test(digest)) return false;
  return !digest.startsWith('sha256:') || HEX_64.test(digest.slice(7));
}

/** Host names, IPv4 and bracketed IPv6 addresses, with a port. */
function isValidDomain(domain: string): boolean {
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::[0-9]+)?$/.exec(domain);
  if (match === null) return false;
  const host = match[1] as string;
  return (
    host.startsWith('[') ||
    host.split('.').every((label) => /^[A-Za-z0-9]$|^[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]$/.test(label))
  );
}

/** Components of [a-z0-9], joined inside by ".", "_", "__" or any number of "-". */
function isValidPath(path: string): boolean {
  return path.split('/').every((component) => {
    if (!/^[a-z0-9._-]+$/.test(component)) return false;
    const separators = component.split(/[a-z0-9]+/);
    if (separators.length < 2 || separators[0] !== '' || separators.at(-1) !== '') return false;
    return separators
      .slice(1, -1)
      .every((separator) => separator === '.' || separator === '_' || separator === '__' || /^-+$/.test(separator));
  });
}

function bad(why = 'invalid reference format'): EngineError {
  return new EngineError('invalid', why.startsWith('invalid') ? why : `invalid reference format: ${why}`);
}
