// What a remote context or a source of ADD is, told by its words alone: a git repository (as BuildKit tells: dfgitutil), a file by HTTP, or neither.
import { EngineError } from '../../errors/engine-error.ts';

export interface GitRemote {
  readonly kind: 'git';
  /** What git is given: without fragment and query. */
  readonly url: string;
  /** Empty: the remote's HEAD. */
  readonly ref: string;
  /** Empty: all of it. */
  readonly subdirectory: string;
  /** Commit, or the beginning of one; empty: any. */
  readonly checksum: string;
  /** undefined: as the instruction says. */
  readonly keepsGitDirectory?: boolean;
  readonly hasSubmodules?: boolean;
  /** "github.com/a/b": only a context may be written so, since it could be a path. */
  readonly isLikePath: boolean;
  /** The directory's name: "b" of "https://github.com/a/b.git". */
  readonly name: string;
}

export interface HttpRemote {
  readonly kind: 'http';
  readonly url: string;
}

const schemes: ReadonlySet<string> = new Set(['http', 'https', 'git', 'ssh']);
/** ssh's short form: user@host:path. Neither may begin as an option does. */
const scp = /^([A-Za-z0-9_][A-Za-z0-9_-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/;
const MAX_URL_BYTES = 16 * 1024;

/** undefined: it is no remote at all. Throws 'invalid' for one that cannot be. */
export function parseRemote(text: string): GitRemote | HttpRemote | undefined {
  const scheme = /^([A-Za-z0-9]+):\/\//.exec(text)?.[1]?.toLowerCase();
  const isPath = scheme === undefined && text.startsWith('github.com/');
  if (scheme !== undefined ? !schemes.has(scheme) : !isPath && !scp.test(text)) return undefined;
  if (text.length > MAX_URL_BYTES) throw bad(text, 'it is too long');
  if (scheme === undefined) return isPath ? ofUrl(text, `https://${text}`, true) : ofScp(text);
  const path = URL.parse(text)?.pathname;
  if (path === undefined) throw bad(text, 'it is no URL');
  if ((scheme === 'http' || scheme === 'https') && !path.endsWith('.git')) return { kind: 'http', url: text };
  return ofUrl(text, text, false);
}

function ofUrl(shown: string, url: string, isLikePath: boolean): GitRemote {
  checkCharacters(shown, url);
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === '') throw bad(shown, 'it is no URL of a git repository');
  if (/^[^A-Za-z0-9[]/.test(parsed.hostname)) throw bad(shown, 'its host cannot be one');
  const end = /[?#]/.exec(url)?.index ?? url.length;
  const fragment = parsed.hash === '' ? '' : decoded(shown, parsed.hash.slice(1));
  return git(shown, url.slice(0, end), fragment, parsed.search.slice(1), isLikePath);
}

function ofScp(text: string): GitRemote | undefined {
  const match = scp.exec(text);
  if (match === null) return undefined;
  checkCharacters(text, text);
  const [, user, host, path = '', query = '', fragment = ''] = match;
  return git(text, `${user}@${host}:${path}`, fragment, query, false);
}

function checkCharacters(shown: string, url: string): void {
  // Of a backslash git and WHATWG's URL make different hosts, and a secret would be for the one and go to the other.
  if (/[\u0000-\u0020\u007f\\]/.test(url)) throw bad(shown, 'it holds a blank, a backslash or a control character');
}

function git(shown: string, url: string, fragment: string, query: string, isLikePath: boolean): GitRemote {
  const colon = fragment.indexOf(':');
  const ref = colon < 0 ? fragment : fragment.slice(0, colon);
  const subdirectory = colon < 0 ? '' : fragment.slice(colon + 1);
  const name = (url.split('/').at(-1) ?? '').replace(/^.*:/, '').replace(/\.git$/, '');
  const remote = { kind: 'git', url, ref, subdirectory, checksum: '', isLikePath, name } as const;
  const full = query === '' ? remote : { ...remote, ...readQuery(shown, query, ref, subdirectory) };
  if (full.ref !== '') checkRef(full.ref);
  if (full.checksum !== '' && !/^[0-9a-f]{4,64}$/i.test(full.checksum)) throw bad(shown, 'its checksum is no commit');
  return full;
}

type QueryParts = Pick<GitRemote, 'ref' | 'subdirectory' | 'checksum'> &
  Pick<GitRemote, 'keepsGitDirectory' | 'hasSubmodules'>;

function readQuery(shown: string, query: string, fragmentRef: string, fragmentDirectory: string): QueryParts {
  const values = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (!queryKeys.has(key)) throw bad(shown, `unexpected query ${JSON.stringify(key.slice(0, 100))}`);
    if (values.has(key)) throw bad(shown, `query "${key}" has multiple values`);
    if (value === '' && !flags.has(key)) throw bad(shown, `query "${key}" has no value`);
    values.set(key, value);
  }
  const get = (key: string): string => values.get(key) ?? '';
  if (values.has('branch') && values.has('tag')) throw bad(shown, 'branch conflicts with tag');
  const checksum = get('checksum') || get('commit');
  const refs = [fragmentRef, get('ref'), prefixed('refs/tags/', get('tag')), prefixed('refs/heads/', get('branch'))];
  const keepsGitDirectory = flag(shown, values, 'keep-git-dir');
  const hasSubmodules = flag(shown, values, 'submodules');
  return {
    ref: agreed(shown, 'ref', refs) || checksum,
    subdirectory: agreed(shown, 'subdir', [fragmentDirectory, get('subdir')]),
    checksum,
    ...(keepsGitDirectory === undefined ? {} : { keepsGitDirectory }),
    ...(hasSubmodules === undefined ? {} : { hasSubmodules }),
  };
}

const flags: ReadonlySet<string> = new Set(['keep-git-dir', 'submodules']);
const queryKeys: ReadonlySet<string> = new Set(['ref', 'tag', 'branch', 'subdir', 'checksum', 'commit', ...flags]);

function prefixed(prefix: string, name: string): string {
  return name === '' || name.startsWith(prefix) ? name : prefix + name;
}

function agreed(shown: string, what: string, said: readonly string[]): string {
  const [first = '', ...others] = said.filter((one) => one !== '');
  const other = others.find((one) => one !== first);
  if (other === undefined) return first;
  throw bad(shown, `${what} conflicts: ${JSON.stringify(first)} vs ${JSON.stringify(other)}`);
}

/** Go's strconv.ParseBool; there without a value is true. */
function flag(shown: string, values: ReadonlyMap<string, string>, key: string): boolean | undefined {
  const value = values.get(key);
  if (value === undefined) return undefined;
  if (['', '1', 't', 'T', 'true', 'True', 'TRUE'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'False', 'FALSE'].includes(value)) return false;
  throw bad(shown, `invalid ${key} value: ${JSON.stringify(value.slice(0, 100))}`);
}

/**
 * Throws 'invalid' for what git could take for an option, for several refs, or for a pattern (git-check-ref-format(1)): it goes to git as one
 * argument that has to mean one ref.
 */
export function checkRef(ref: string): void {
  const isBad =
    ref.length > 1000 ||
    /^[-+/]|[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\/$|\.$/.test(ref) ||
    ref.split('/').some((part) => part.startsWith('.') || part.endsWith('.lock'));
  if (isBad) throw new EngineError('invalid', `git ref ${JSON.stringify(ref.slice(0, 200))}: it cannot be one`);
}

/** For messages, wherever in them URLs stand: without user and password of http, and without a password of ssh. A password may hold an "@". */
export function withoutCredentials(text: string): string {
  return text.replace(/\b(https?:\/\/|ssh:\/\/[^\s/'":@]*:)[^\s/'"]*@/gi, '$1xxxxx@');
}

/** A URL that may stand in arguments, which everybody on the host can read, and in files: what of it is secret is for the environment. */
export function splitCredentials(url: string): { url: string; user: string; password: string } {
  const [, scheme = '', userInfo = ''] = /^(https?:\/\/|ssh:\/\/)([^/?#]*)@/i.exec(url) ?? [];
  if (userInfo === '') return { url, user: '', password: '' };
  const colon = userInfo.indexOf(':');
  const user = colon < 0 ? userInfo : userInfo.slice(0, colon);
  const password = colon < 0 ? '' : userInfo.slice(colon + 1);
  const rest = url.slice(scheme.length + userInfo.length + 1);
  const kept = /^ssh/i.test(scheme) && user !== '' ? `${user}@` : '';
  return { url: `${scheme}${kept}${rest}`, user: percentDecoded(user), password: percentDecoded(password) };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function decoded(shown: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad(shown, 'its fragment is not encoded as a URL is');
  }
}

function bad(shown: string, why: string): EngineError {
  return new EngineError('invalid', `remote ${JSON.stringify(withoutCredentials(shown).slice(0, 300))}: ${why}`);
}
