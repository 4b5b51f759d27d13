// All tags of a repository: distribution-spec "listing tags", page by page.
import { EngineError } from '../errors/engine-error.ts';
import { readWhole } from './http-hop.ts';
import { isValidTag } from './reference.ts';
import { RegistryFailure } from './registry-failure.ts';
import type { RegistryHttp } from './registry-http.ts';

const MAX_PAGE_BYTES = 8 * 1024 * 1024;
const MAX_PAGES = 1000;
const MAX_TAGS = 100_000;

export async function listTags(http: RegistryHttp, repositoryPath: string, signal?: AbortSignal): Promise<string[]> {
  const tags = new Set<string>();
  let path: string | undefined = `${repositoryPath}/tags/list`;
  for (let page = 0; path !== undefined; page++) {
    const answer = await http.send({
      method: 'GET',
      path,
      accept: [200],
      ...(signal === undefined ? {} : { signal }),
    });
    for (const tag of readTags(await readWhole(answer, MAX_PAGE_BYTES), answer.url)) tags.add(tag);
    if (tags.size > MAX_TAGS || page >= MAX_PAGES) {
      throw new EngineError('invalid', `list tags of ${repositoryPath.slice(4)}: more than ${MAX_TAGS} of them`);
    }
    path = nextPage([answer.headers.link].flat()[0], answer.url, repositoryPath);
  }
  return [...tags];
}

function readTags(bytes: Buffer, url: URL): string[] {
  let list: unknown;
  try {
    list = (JSON.parse(bytes.toString()) as { tags?: unknown } | null)?.tags ?? [];
  } catch {
    list = undefined;
  }
  if (!Array.isArray(list) || !list.every((tag) => typeof tag === 'string' && isValidTag(tag))) {
    throw RegistryFailure.ofAnswer('GET', url, 'it is no list of tags');
  }
  return list;
}

/** RFC 8288. Only another page of the same list is followed: the registry does not choose whom we ask. */
function nextPage(link: string | undefined, url: URL, repositoryPath: string): string | undefined {
  const target = /<([^<>]{1,4096})>\s*;\s*rel="?next"?/i.exec((link ?? '').slice(0, 8192))?.[1];
  const next = target === undefined ? null : URL.parse(target, url.href);
  if (next === null) return undefined;
  const at = next.pathname.indexOf(`${repositoryPath}/tags/list`);
  if (next.origin !== url.origin || at < 0) {
    throw RegistryFailure.ofAnswer('GET', url, 'its next page is somewhere else: refused');
  }
  return next.pathname.slice(at) + next.search;
}
