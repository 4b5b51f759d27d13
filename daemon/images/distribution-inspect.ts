// What a registry has under a name, without pulling it.
import { EngineError } from '../errors/engine-error.ts';
import { pullError } from '../registry/pull-words.ts';
import { parseReference } from '../registry/reference.ts';
import type { Credentials, Registries } from '../registry/registry-session.ts';
import { readWholeBlob } from '../registry/whole-blob.ts';
import { MAX_CONFIG_BYTES, parseImageConfig } from './documents/image-config.ts';
import { parseManifest } from './documents/manifest.ts';
import type { RemoteImage } from './registry-service.ts';

const DEADLINE_MS = 120_000;

export async function distributionInspect(
  registries: Registries,
  name: string,
  credentials: Credentials,
): Promise<RemoteImage> {
  const reference = parseReference(name);
  if (reference.digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(reference.digest)) {
    throw new EngineError('invalid', 'invalid reference format');
  }
  using session = registries.open(reference.repository, credentials, 'pull');
  const signal = AbortSignal.timeout(DEADLINE_MS);
  try {
    const fetched = await session.manifest(reference.digest ?? reference.tag ?? 'latest', signal);
    const manifest = parseManifest(fetched.bytes, fetched.mediaType);
    const descriptor = { mediaType: fetched.mediaType, digest: fetched.digest, size: fetched.size };
    if (manifest.kind === 'index') {
      const platforms = manifest.manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platform]));
      return { descriptor, platforms };
    }
    const bytes = await readWholeBlob(session, manifest.config, MAX_CONFIG_BYTES, signal);
    const { architecture, os, variant } = parseImageConfig(bytes);
    return { descriptor, platforms: [{ architecture, os, ...(variant === undefined ? {} : { variant }) }] };
  } catch (error) {
    throw pullError(error, { ...reference, tag: reference.tag ?? 'latest' });
  }
}
