// Puts the registries' side together: the client with the daemon's settings, and what pulls with it.

import { HttpRegistries } from '../registry/http-registries.ts';
import type { Registries } from '../registry/registry-session.ts';
import { defaultRegistryOptions, type RegistryOptions } from '../registry/registry-settings.ts';
import { searchRegistry } from '../registry/search.ts';
import type { Catalogue } from './catalogue.ts';
import { distributionInspect } from './distribution-inspect.ts';
import { isFullDisk } from './full-disk.ts';
import { ImagePuller } from './pull/image-puller.ts';
import { pushImages } from './push/push-image.ts';
import type { RegistryService } from './registry-service.ts';

export interface RegistrySideOptions extends Partial<RegistryOptions> {
  readonly maxConcurrentDownloads?: number;
  readonly maxDownloadAttempts?: number;
}

export interface RegistrySide {
  readonly registries: Registries;
  readonly service: RegistryService;
  readonly layers: Pick<ImagePuller, 'pullLayers'>;
}

/** `makeRoom` deletes what was thrown away. Throws 'invalid' naming an option that cannot be. */
export function openRegistry(
  catalogue: Catalogue,
  given: RegistrySideOptions,
  makeRoom: () => Promise<void>,
): RegistrySide {
  const options: RegistryOptions = { ...defaultRegistryOptions, ...given };
  const registries = new HttpRegistries(options);
  const puller = new ImagePuller(catalogue, registries, {
    maxConcurrentDownloads: given.maxConcurrentDownloads ?? 3,
    maxDownloadAttempts: given.maxDownloadAttempts ?? 5,
    retryPauseMs: options.retryPauseMs,
  });
  const clear = async (): Promise<void> => {
    await puller.atRest();
    // Room is worth more than beginnings.
    catalogue.reclaim(0);
    await makeRoom();
  };
  return {
    registries,
    layers: puller,
    service: {
      pull: async (pullOptions) => {
        try {
          await puller.pull(pullOptions);
        } catch (error) {
          // What was removed lately may not be deleted yet: once more, with all the room that there is.
          if (!isFullDisk(error) || pullOptions.signal.aborted) throw error;
          await clear();
          await puller.pull(pullOptions).finally(clear);
        }
      },
      push: (name, pushOptions) => pushImages(catalogue, registries, name, pushOptions),
      search: (searchOptions) => searchRegistry(registries, searchOptions),
      login: (serverAddress, credentials) => registries.login(serverAddress, credentials),
      distribution: (name, credentials) => distributionInspect(registries, name, credentials),
      facts: () => registries.describe(),
    },
  };
}
