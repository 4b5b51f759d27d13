// Which image a reference of a Dockerfile (FROM, COPY --from, docker-image://) means: one that is here, or one that a registry has, which is pulled.

import type { ProgressMessage } from '../../docker-types/progress.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { Catalogue } from '../../images/catalogue.ts';
import type { ImageConfig } from '../../images/documents/image-config.ts';
import { hostPlatform, platformMatches, platformText } from '../../images/documents/platform.ts';
import type { ImageRecord } from '../../images/image-service.ts';
import type { RegistryService } from '../../images/registry-service.ts';
import { familiar, parseReference, type Reference } from '../../registry/reference.ts';
import type { Credentials } from '../../registry/registry-session.ts';
import type { BuildPlatform } from '../graph/operation.ts';
import type { StepRun } from '../steps/step.ts';

export interface ResolverNeeds {
  readonly catalogue: Pick<Catalogue, 'resolve' | 'holdImage' | 'topLayer' | 'parts'>;
  readonly registry: Pick<RegistryService, 'pull' | 'distribution'>;
}

export interface ResolveOptions {
  readonly platform: BuildPlatform;
  /** The registry is asked though an image is here; what has not changed there is not transferred. */
  readonly pulls: boolean;
  /** For a registry's host: "docker.io". */
  readonly auth: (host: string) => Credentials;
  readonly tell: StepRun['status'];
  readonly signal: AbortSignal;
}

/** Held until it is disposed: whatever happens to its names meanwhile. */
export interface ResolvedImage extends Disposable {
  readonly imageId: string;
  /** The highest of its layers; undefined: it has none. */
  readonly topLayer: number | undefined;
  readonly config: ImageConfig;
  /** Canonical, for display: "docker.io/library/busybox:latest"; an id stays what it is. */
  readonly reference: string;
  /** Of the manifest or index that its repository has; undefined: it never came from there. */
  readonly digest: string | undefined;
}

/** It is asked again when somebody else's pull took the name for another platform in between. */
const ATTEMPTS = 2;

/** Throws 'invalid' for what is no reference, 'not-found' and the registry's errors in Docker's words, and the signal's reason. */
export async function resolveImage(
  needs: ResolverNeeds,
  reference: string,
  options: ResolveOptions,
): Promise<ResolvedImage> {
  options.signal.throwIfAborted();
  const isId = /^(?:sha256:)?[0-9a-f]{64}$/.test(reference);
  const here = needs.catalogue.resolve(reference);
  if (isId || (here !== undefined && isPrefixOfId(reference, here))) {
    if (here === undefined) throw new EngineError('not-found', `No such image: ${reference}`);
    return held(needs, here, reference, undefined);
  }
  const parsed = parseReference(reference);
  const named: Reference =
    parsed.digest === undefined && parsed.tag === undefined ? { ...parsed, tag: 'latest' } : parsed;
  if (here !== undefined && !options.pulls && platformMatches(options.platform, here.config))
    return held(needs, here, canonical(named), named);
  return pull(needs, named, options);
}

/** "FROM 0123abc": nothing has that name, and an image's id begins so. */
function isPrefixOfId(reference: string, { id }: ImageRecord): boolean {
  return id.startsWith(reference) || id.startsWith(`sha256:${reference}`);
}

function canonical({ repository, tag, digest }: Reference): string {
  return `${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function held(
  { catalogue }: ResolverNeeds,
  image: ImageRecord,
  reference: string,
  name: Reference | undefined,
): ResolvedImage {
  const hold = catalogue.holdImage(image.id);
  const names = name === undefined ? [] : catalogue.parts.tables.namesOf(image.id);
  const digest =
    name?.digest ??
    names.find(({ repository, digest }) => digest !== undefined && repository === name?.repository)?.digest;
  return {
    imageId: image.id,
    topLayer: catalogue.topLayer(image.id),
    config: image.config,
    reference,
    digest,
    [Symbol.dispose]: () => hold[Symbol.dispose](),
  };
}

/**
 * What is for this host takes its name, as with `docker pull`. An image for another platform is pulled by its digest: the name, and who runs it, stay
 * with the host's own.
 */
async function pull(needs: ResolverNeeds, name: Reference, options: ResolveOptions): Promise<ResolvedImage> {
  const { platform, signal, tell } = options;
  const credentials = options.auth(name.repository.split('/')[0] as string);
  const onProgress = progressTeller(tell);
  const isForeign = !platformMatches(hostPlatform(), platform);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const wanted = isForeign ? await byDigest(needs, name, credentials) : name;
    const image = familiar(wanted.digest === undefined ? wanted : { ...wanted, tag: undefined });
    await needs.registry.pull({
      image,
      tag: '',
      platform: platformText(platform),
      credentials,
      onProgress,
      signal,
    });
    signal.throwIfAborted();
    const found = needs.catalogue.resolve(image);
    // What has one platform only is taken for any, with a warning: by who asked for it so, see front ends.
    if (found !== undefined && (attempt === ATTEMPTS - 1 || platformMatches(platform, found.config)))
      return held(needs, found, canonical(name), wanted);
  }
  throw new EngineError('unavailable', `pull ${familiar(name)}: it was removed as soon as it was here`);
}

async function byDigest({ registry }: ResolverNeeds, name: Reference, credentials: Credentials): Promise<Reference> {
  if (name.digest !== undefined) return name;
  const { descriptor } = await registry.distribution(familiar(name), credentials);
  return { ...name, digest: descriptor.digest };
}

/** Of the lines of a pull those about single layers are told: each counts its download, and its extraction. */
export function progressTeller(tell: StepRun['status']): (message: ProgressMessage) => void {
  const totals = new Map<string, number>();
  const done = (what: string): void => {
    const total = totals.get(what) ?? 0;
    if (totals.delete(what)) tell(what, total, total, true);
  };
  return ({ id = '', status = '', progressDetail: { current = 0, total = 0 } = {} }) => {
    if (status === 'Downloading' || status === 'Extracting') {
      const what = `${status.toLowerCase()} ${id}`;
      totals.set(what, total);
      tell(what, current, total, false);
    } else if (status === 'Download complete') done(`downloading ${id}`);
    else if (status === 'Pull complete') {
      done(`downloading ${id}`);
      done(`extracting ${id}`);
    }
  };
}
