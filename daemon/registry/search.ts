// GET /images/search: the search of registries' first protocol (GET /v1/search), which Docker Hub still has and most registries do not.
import type { SearchResult } from '../docker-types/image.ts';
import { EngineError } from '../errors/engine-error.ts';
import { booleanFilter, checkFilterKeys, type Filters } from '../state/filters.ts';
import { readWhole } from './http-hop.ts';
import type { HttpRegistries } from './http-registries.ts';
import { registryError } from './pull-words.ts';
import { RegistryFailure } from './registry-failure.ts';
import type { Credentials } from './registry-session.ts';

export interface SearchOptions {
  /** Of Docker Hub, or with a registry before it: "localhost:5000/term". */
  term: string;
  /** 0: as many as the registry likes, at most 25. */
  limit: number;
  filters: Filters;
  credentials: Credentials;
}

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 25;
const MAX_BYTES = 4 * 1024 * 1024;
const knownFilters: ReadonlySet<string> = new Set(['is-automated', 'is-official', 'stars']);

export async function searchRegistry(
  registries: HttpRegistries,
  { term, limit, filters, credentials }: SearchOptions,
): Promise<SearchResult[]> {
  checkFilterKeys(filters, knownFilters);
  if (term === '' || term.includes('://'))
    throw new EngineError('invalid', `invalid repository name (${term}): it must not be empty or have a scheme`);
  if (limit < 0 || limit > MAX_LIMIT)
    throw new EngineError('invalid', `limit ${limit} is outside the range of [1, ${MAX_LIMIT}]`);
  const wanted = {
    official: booleanFilter(filters, 'is-official'),
    automated: booleanFilter(filters, 'is-automated'),
    stars: minimumStars(filters),
  };
  const { host, query } = splitTerm(term);
  const path = `/v1/search?q=${encodeURIComponent(query)}&n=${limit === 0 ? DEFAULT_LIMIT : limit}`;
  const results = await ask(registries, host, path, credentials);
  return results.filter(
    (found) =>
      (wanted.official === undefined || found.is_official === wanted.official) &&
      (wanted.automated === undefined || found.is_automated === wanted.automated) &&
      found.star_count >= wanted.stars,
  );
}

/** Several demands: the highest counts. */
function minimumStars(filters: Filters): number {
  const values = (filters.get('stars') ?? []).map((value) => {
    if (!/^[0-9]{1,9}$/.test(value)) throw new EngineError('invalid', `invalid filter 'stars=${value}'`);
    return Number(value);
  });
  return Math.max(0, ...values);
}

async function ask(
  registries: HttpRegistries,
  host: string,
  path: string,
  credentials: Credentials,
): Promise<SearchResult[]> {
  try {
    using endpoint = registries.openHost(host, credentials);
    const answer = await endpoint.http.send({ method: 'GET', path, accept: [200] });
    return readResults(await readWhole(answer, MAX_BYTES), host);
  } catch (error) {
    if (error instanceof RegistryFailure && error.status === 404)
      throw new EngineError(
        'not-found',
        `search ${host}: this registry has no search: ask it with another client, or search Docker Hub`,
        { cause: error },
      );
    throw registryError(error);
  }
}

function readResults(bytes: Buffer, host: string): SearchResult[] {
  let list: unknown;
  try {
    list = (JSON.parse(bytes.toString('utf8')) as { results?: unknown } | null)?.results;
  } catch {
    list = undefined;
  }
  if (!Array.isArray(list)) throw new EngineError('system', `search ${host}: the answer is no list of results`);
  return list.slice(0, MAX_LIMIT).flatMap((item: unknown): SearchResult[] => {
    const {
      name,
      description,
      star_count: stars,
      is_official: official,
      is_automated: automated,
    } = (item ?? {}) as Record<string, unknown>;
    if (typeof name !== 'string') return [];
    return [
      {
        star_count: typeof stars === 'number' ? stars : 0,
        is_official: official === true,
        name,
        is_automated: automated === true,
        description: typeof description === 'string' ? description : '',
      },
    ];
  });
}

/** Official images are asked for without "library/". */
function splitTerm(term: string): { host: string; query: string } {
  const slash = term.indexOf('/');
  const first = slash < 0 ? '' : term.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost';
  const host = !isHost || first === 'docker.io' ? 'index.docker.io' : first;
  const query = isHost ? term.slice(slash + 1) : term;
  return { host, query: host === 'index.docker.io' ? query.replace(/^library\//, '') : query };
}
