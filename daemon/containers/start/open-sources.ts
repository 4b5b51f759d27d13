// The mounts of a container that are the engine's own things, volumes and images, as detached mounts for a start or a look inside.
import { AT, MOUNT_ATTR } from '../../../native-bindings/constants.ts';
import { mountSetattr } from '../../../native-bindings/mount-api.ts';
import type { ResolvedMount } from '../../spec/mount.ts';
import { HeldMount } from '../../volumes/held-mount.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type OpenSourcesNeeds = Needs<'images.openFiles' | 'volumes.narrow' | 'volumes.open'>;

/** Descriptors by target. Dispose of it when the container runs, or when whoever looks has them. */
export class OpenSources implements Disposable {
  readonly #held = new Map<string, HeldMount>();

  add(target: string, mount: HeldMount): void {
    this.#held.set(target, mount);
  }

  get fds(): Map<string, number> {
    return new Map([...this.#held].map(([target, { fd }]) => [target, fd]));
  }

  /** The caller closes them from now on. */
  take(): Map<string, number> {
    return new Map([...this.#held].map(([target, held]) => [target, held.take()]));
  }

  [Symbol.dispose](): void {
    for (const held of this.#held.values()) held[Symbol.dispose]();
  }
}

/** undefined, at once, for a container that has none. */
export function openSources(
  services: OpenSourcesNeeds,
  mounts: readonly ResolvedMount[],
): Promise<OpenSources> | undefined {
  const wanted = mounts.filter(({ type }) => type === 'volume' || type === 'image');
  return wanted.length === 0 ? undefined : openAll(services, wanted);
}

/** In the order of the volumes' names: two starts that wait for the same volumes do not wait for each other. */
async function openAll(services: OpenSourcesNeeds, mounts: readonly ResolvedMount[]): Promise<OpenSources> {
  const sources = new OpenSources();
  const sorted = [...mounts].sort((a, b) => ((a.volume?.name ?? '') < (b.volume?.name ?? '') ? -1 : 1));
  try {
    for (const mount of sorted) sources.add(mount.target, await openSource(services, mount));
    return sources;
  } catch (error) {
    sources[Symbol.dispose]();
    throw error;
  }
}

export async function openSource(services: OpenSourcesNeeds, mount: ResolvedMount): Promise<HeldMount> {
  const { subpath = '' } = mount;
  if (mount.volume !== undefined) return services.volumes.open(mount.volume.name, subpath);
  const held = new HeldMount(services.images.openFiles(mount.source));
  try {
    // The layer of an image that has only one is its very directory.
    mountSetattr(held.fd, '', AT.EMPTY_PATH | AT.RECURSIVE, { set: MOUNT_ATTR.RDONLY });
    return subpath === '' ? held : await services.volumes.narrow(held, subpath);
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}
