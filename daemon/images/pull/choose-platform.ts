// Which image of an index fits: the first of the wanted platforms that is there (as containerd orders them).
import { EngineError } from '../../errors/engine-error.ts';
import type { ImageIndex, IndexEntry } from '../documents/manifest.ts';
import { hostPlatform, type Platform, platformText } from '../documents/platform.ts';

/** `asked` undefined: what this host runs, best first. Throws 'not-found' in Docker's words. */
export function chooseManifest(index: ImageIndex, asked: Platform | undefined): IndexEntry {
  const wanted = asked ?? hostPlatform();
  for (const platform of candidates(wanted, asked === undefined)) {
    const found = index.manifests.find((entry) => entry.platform !== undefined && isSame(entry.platform, platform));
    if (found !== undefined) return found;
  }
  throw new EngineError('not-found', `no matching manifest for ${platformText(wanted)} in the manifest list entries`);
}

/** What runs where `wanted` does. Other architectures only when nobody asked for one. */
function candidates({ os, architecture, variant }: Platform, isHost: boolean): Platform[] {
  const arm = (highest: number): Platform[] =>
    [8, 7, 6, 5].filter((v) => v <= highest).map((v) => ({ os, architecture: 'arm', variant: `v${v}` }));
  if (architecture === 'amd64') {
    const level = Number(/^v([1-9])$/.exec(variant ?? '')?.[1] ?? 1);
    const levels = [4, 3, 2].filter((v) => v <= level).map((v) => ({ os, architecture, variant: `v${v}` }));
    return [...levels, { os, architecture }, ...(isHost ? [{ os, architecture: '386' }] : [])];
  }
  if (architecture === 'arm64') return [{ os, architecture }, ...(isHost ? arm(8) : [])];
  if (architecture === 'arm') return arm(Number(/^v(\d)$/.exec(variant ?? 'v7')?.[1] ?? 7));
  return [{ os, architecture, ...(variant === undefined ? {} : { variant }) }];
}

function isSame(a: Platform, b: Platform): boolean {
  const [left, right] = [normalised(a), normalised(b)];
  return left.os === right.os && left.architecture === right.architecture && left.variant === right.variant;
}

/** One spelling for what says the same. */
function normalised({ os, architecture, variant = '' }: Platform): Required<Platform> {
  if (architecture === 'arm64' && (variant === '8' || variant === 'v8')) return { os, architecture, variant: '' };
  if (architecture === 'amd64' && variant === 'v1') return { os, architecture, variant: '' };
  if (architecture === 'arm') {
    const level = variant === '' ? 'v7' : variant.startsWith('v') ? variant : `v${variant}`;
    return { os, architecture, variant: level };
  }
  return { os, architecture, variant };
}
