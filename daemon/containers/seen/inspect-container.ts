// All that there is to see of one container.
import type { SnapshotDirs } from '../../snapshots/snapshots.ts';
import type { Container } from '../container.ts';
import type { Needs } from '../needs.ts';
import { presentLinks } from '../network/links.ts';
import { networkDonor } from '../start/join-namespaces.ts';
import { imageBytes, type SeeContainerNeeds, seeContainer } from './see-container.ts';
import type { InspectedContainer, SeenSizes } from './seen-container.ts';

/** See needs.ts. */
export type InspectContainerNeeds = Needs<
  | 'images.byId'
  | 'layers.dirs'
  | 'layers.usage'
  | 'networks.registry.byName'
  | 'paths.logs'
  | 'paths.managedFile'
  | 'store'
> &
  SeeContainerNeeds;

/** `ref` is an id, a name or a unique id prefix. Throws 'not-found'. */
export async function inspectContainer(
  services: InspectContainerNeeds,
  ref: string,
  options: { size: boolean },
): Promise<InspectedContainer> {
  const { store, paths, networks } = services;
  const container = store.get(ref);
  const sizes = options.size ? await sizesOf(services, container) : undefined;
  const filesOf = donorId(services, container) ?? container.id;
  return {
    ...seeContainer(services, container),
    links: presentLinks(store, container),
    runningExecIds: [...container.execs.values()].filter((exec) => exec.isRunning).map((exec) => exec.id),
    files: {
      resolvConf: paths.managedFile(filesOf, 'resolv.conf'),
      hostname: paths.managedFile(filesOf, 'hostname'),
      hosts: paths.managedFile(filesOf, 'hosts'),
      log: paths.logs(container.id),
    },
    layer: layerOf(services, container.id),
    ...(sizes === undefined ? {} : { sizes }),
    defaultBridge: networks.registry.byName('bridge')?.record.bridge,
  };
}

function donorId({ store }: InspectContainerNeeds, container: Container): string | undefined {
  try {
    return networkDonor(store, container.spec)?.id;
  } catch {
    return undefined;
  }
}

async function sizesOf(services: InspectContainerNeeds, { id, record }: Container): Promise<SeenSizes> {
  // Its files may have gone meanwhile, or be lost.
  const writtenBytes = await services.layers.usage(id, 'size').catch(() => 0);
  return { writtenBytes, imageBytes: imageBytes(services, record.imageId) };
}

function layerOf({ layers }: InspectContainerNeeds, id: string): SnapshotDirs | undefined {
  try {
    return layers.dirs(id);
  } catch {
    return undefined;
  }
}
