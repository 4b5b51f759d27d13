// The containers that a list is about, newest first.
import { EngineError } from '../../errors/engine-error.ts';
import { mapInTurns } from '../../state/map-in-turns.ts';
import type { Container } from '../container.ts';
import type { ListOptions } from '../container-service.ts';
import type { Needs } from '../needs.ts';
import { linkNames } from '../network/links.ts';
import { containerFilter, filterImpliesAll } from './container-filters.ts';
import { imageBytes, type SeeContainerNeeds, seeContainer } from './see-container.ts';
import type { ListedContainer } from './seen-container.ts';

/** See needs.ts. */
export type ListContainersNeeds = Needs<
  'images.byId' | 'images.resolve' | 'layers.usages' | 'store.all' | 'store.find' | 'store.get'
> &
  SeeContainerNeeds;

/** Throws 'invalid' for filters that docker refuses, 'not-found' for a container that they name. */
export async function listContainers(services: ListContainersNeeds, options: ListOptions): Promise<ListedContainer[]> {
  const matches = containerFilter(options.filters, {
    store: services.store,
    imagesWithAncestor: (ref) => imagesWithAncestor(services, ref),
    networkIds: ({ record }) => record.endpoints.map(({ networkId }) => networkId),
    publishedPorts: (container) => publishedPorts(services, container),
  });
  const showsAll = options.all || options.limit > 0 || filterImpliesAll(options.filters);
  const found = [...services.store.all()]
    .filter(
      (container) => (showsAll || container.isRunning || container.state.status === 'restarting') && matches(container),
    )
    .sort((a, b) => compareNs(b.record.createdNs, a.record.createdNs));
  const shown = options.limit > 0 ? found.slice(0, options.limit) : found;
  const links = linkNames(services.store);
  const idOfImage = remember((typed) => imageIdOf(services, typed));
  const listed = await mapInTurns(shown, (container): ListedContainer => {
    const { imageId, spec } = container.record;
    return {
      ...seeContainer(services, container),
      linkNames: links.get(container.id) ?? [],
      imageName: idOfImage(spec.imageName) === imageId ? spec.imageName : undefined,
    };
  });
  if (!options.size) return listed;
  const written = await services.layers.usages(
    shown.map(({ id }) => id),
    'size',
  );
  const bytesOfImage = remember((id) => imageBytes(services, id));
  return listed.map((container) => {
    const { id, imageId } = container.record;
    // Its files may have gone meanwhile, or be lost: a list is not refused because of one.
    return { ...container, sizes: { writtenBytes: written.get(id) ?? 0, imageBytes: bytesOfImage(imageId) } };
  });
}

/** What the filter `publish` looks at: docker's daemon takes the port on the host, its documentation the one in the container. */
function publishedPorts({ networks }: ListContainersNeeds, container: Container): string[] {
  if (!container.isRunning) return [];
  const published = networks.sandboxes.of(container.id)?.ports ?? [];
  return published.flatMap(({ hostPort, containerPort, protocol }) => [
    `${hostPort}/${protocol}`,
    `${containerPort}/${protocol}`,
  ]);
}

/** Many containers have few images, and each question about one reads the database. */
function remember<T>(ask: (key: string) => T): (key: string) => T {
  const answers = new Map<string, T>();
  return (key) => {
    if (!answers.has(key)) answers.set(key, ask(key));
    return answers.get(key) as T;
  };
}

function compareNs(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** undefined: no image has this name, or none that can be read. */
function imageIdOf({ images }: ListContainersNeeds, typed: string): string | undefined {
  try {
    return images.resolve(typed)?.id;
  } catch {
    return undefined;
  }
}

function imagesWithAncestor(services: ListContainersNeeds, ref: string): ReadonlySet<string> {
  let image = null;
  try {
    image = services.images.resolve(ref);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
  if (!image) return new Set();
  const ids = new Set([image.id]);
  const used = new Set([...services.store.all()].map(({ record }) => record.imageId));
  for (const imageId of used) {
    for (let at = services.images.byId(imageId); at !== undefined; ) {
      if (ids.has(at.id)) {
        ids.add(imageId);
        break;
      }
      at = at.parentId === undefined ? undefined : services.images.byId(at.parentId);
    }
  }
  return ids;
}
