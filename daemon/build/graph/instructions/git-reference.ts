// Which texts name a git repository, and what of it: URLs with git's schemes, URLs that end in `.git`, `github.com/…`, `git@host:path`.
import { EngineError } from '../../../errors/engine-error.ts';

export interface GitReference {
  readonly url: string;
  /** Empty: the remote's HEAD. */
  readonly ref: string;
  readonly subdirectory: string;
  /** Empty: any commit. */
  readonly checksum: string;
  /** Of the query; undefined: not said. */
  readonly keepsGitDirectory: boolean | undefined;
}

/** undefined: it is something else. `github.com/…` is a repository as a context only. Throws 'invalid' for one that cannot be. */
export function parseGitReference(text: string, as: 'source' | 'context' = 'source'): GitReference | undefined {
  const hash = text.indexOf('#');
  const [whole, fragment] = hash < 0 ? [text, ''] : [text.slice(0, hash), text.slice(hash + 1)];
  const fromFragment = fragmentParts(fragment);
  if (/^github\.com\//.test(whole)) return as === 'context' ? reference(`https://${whole}`, fromFragment) : undefined;
  const scheme = /^(https?|git|ssh):\/\//i.exec(whole)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    return /^[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:(?!\/\/).+$/.test(whole) ? reference(whole, fromFragment) : undefined;
  }
  const question = whole.indexOf('?');
  const url = question < 0 ? whole : whole.slice(0, question);
  if (scheme.startsWith('http') && !url.endsWith('.git')) return undefined;
  return reference(
    url,
    question < 0 ? fromFragment : withQuery(fromFragment, new URLSearchParams(whole.slice(question + 1))),
  );
}

type Parts = Omit<GitReference, 'url'>;

function reference(url: string, parts: Parts): GitReference {
  refuseOption(url, parts.ref);
  return { url, ...parts, subdirectory: cleanSubdirectory(parts.subdirectory) };
}

/** `ref:subdirectory`. */
function fragmentParts(fragment: string): Parts {
  const colon = fragment.indexOf(':');
  const [ref, subdirectory] = colon < 0 ? [fragment, ''] : [fragment.slice(0, colon), fragment.slice(colon + 1)];
  return { ref, subdirectory, checksum: '', keepsGitDirectory: undefined };
}

/** `?branch=…&subdir=…`; says the same as the fragment where both say something. */
function withQuery(parts: Parts, query: URLSearchParams): Parts {
  let { ref, subdirectory, checksum, keepsGitDirectory } = parts;
  for (const [name, value] of query) {
    if (query.getAll(name).length > 1) throw invalid(`query ${JSON.stringify(name)} has multiple values`);
    if (value === '' && name !== 'keep-git-dir') throw invalid(`query ${JSON.stringify(name)} has no value`);
    if (name === 'ref') ref = same('ref', ref, value);
    else if (name === 'tag') ref = same('ref', ref, withPrefix('refs/tags/', value));
    else if (name === 'branch') ref = same('ref', ref, withPrefix('refs/heads/', value));
    else if (name === 'subdir') subdirectory = same('subdir', subdirectory, value);
    else if (name === 'checksum' || name === 'commit') checksum = value;
    else if (name === 'keep-git-dir') keepsGitDirectory = isTrue(value);
    else throw invalid(`unexpected query ${JSON.stringify(name)}`);
  }
  return { ref: ref === '' ? checksum : ref, subdirectory, checksum, keepsGitDirectory };
}

function same(what: string, before: string, value: string): string {
  if (before === '' || before === value) return value;
  throw invalid(`${what} conflicts: ${JSON.stringify(before)} vs ${JSON.stringify(value)}`);
}

function withPrefix(prefix: string, name: string): string {
  return name.startsWith(prefix) ? name : prefix + name;
}

function isTrue(value: string): boolean {
  if (value === '' || /^(?:1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw invalid(`invalid keep-git-dir value: ${JSON.stringify(value)}`);
}

/** What git would read as an option is no ref and no address. */
function refuseOption(url: string, ref: string): void {
  if (ref.startsWith('-') || url.startsWith('-') || /@-|:\/\/-|[\0\n]/.test(url) || /[\0\n]/.test(ref)) {
    throw invalid(`invalid git reference ${JSON.stringify(ref === '' ? url : ref)}`);
  }
}

function cleanSubdirectory(path: string): string {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) throw invalid(`git subdirectory ${JSON.stringify(path)} leads out of the repository`);
  return names.join('/');
}

function invalid(message: string): EngineError {
  return new EngineError('invalid', message);
}
