// GET /containers/json: newest first, filtered, with the human status that docker's daemon writes.

import type { ContainerSummary } from '../../docker-types/container.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { listedBody } from '../../spec/docker/to-docker.ts';
import { wallClockNs } from '../../state/event-log.ts';
import { mapInTurns } from '../../state/map-in-turns.ts';
import type { Container } from '../container.ts';
import type { ListOptions } from '../container-service.ts';
import type { Needs } from '../needs.ts';
import { linkNames } from '../network/links.ts';
import { containerFilter, filterImpliesAll } from './container-filters.ts';
import { imageBytes, mountPoints } from './inspect-container.ts';
import {
  listedNetworks,
  type NetworkSettingsNeeds,
  networkIdsOf,
  publishedPorts,
  summaryPorts,
} from './network-settings.ts';
import { statusText } from './status-text.ts';

/** See needs.ts. */
export type ListContainersNeeds = Needs<
  | 'images.byId'
  | 'images.resolve'
  | 'layers.usages'
  | 'log.warn'
  | 'store.all'
  | 'store.find'
  | 'store.get'
  | 'volumes.mountpoint'
> &
  NetworkSettingsNeeds;

export async function listContainers(services: ListContainersNeeds, options: ListOptions): Promise<ContainerSummary[]> {
  const matches = containerFilter(options.filters, {
    store: services.store,
    imagesWithAncestor: (ref) => imagesWithAncestor(services, ref),
    networkIds: networkIdsOf,
    publishedPorts: (container) => publishedPorts(services, container),
  });
  const showsAll = options.all || options.limit > 0 || filterImpliesAll(options.filters);
  const found = [...services.store.all()]
    .filter(
      (container) => (showsAll || container.isRunning || container.state.status === 'restarting') && matches(container),
    )
    .sort((a, b) => compareNs(b.record.createdNs, a.record.createdNs));
  const shown = options.limit > 0 ? found.slice(0, options.limit) : found;
  const list: ListContext = {
    nowNs: wallClockNs(),
    links: linkNames(services.store),
    imageIdOf: remember((typed) => imageIdOf(services, typed)),
  };
  const summaries = await mapInTurns(shown, (container) => summarise(services, container, list));
  if (!options.size) return summaries;
  const ids = shown.map(({ id }) => id);
  const written = await services.layers.usages(ids, 'size');
  const bytesOfImage = remember((id) => imageBytes(services, id));
  return summaries.map((summary, n) => {
    // Its files may have gone meanwhile, or be lost: a list is not refused because of one.
    const bytes = written.get(summary.Id) ?? 0;
    const imageId = (shown[n] as Container).record.imageId;
    return { ...summary, ...withoutZero({ SizeRw: bytes, SizeRootFs: bytesOfImage(imageId) + bytes }) };
  });
}

/** What a whole list needs once. */
interface ListContext {
  readonly nowNs: bigint;
  readonly links: ReadonlyMap<string, readonly string[]>;
  readonly imageIdOf: (typed: string) => string | undefined;
}

/** Many containers have few images, and each question about one reads the database. */
function remember<T>(ask: (key: string) => T): (key: string) => T {
  const answers = new Map<string, T>();
  return (key) => {
    if (!answers.has(key)) answers.set(key, ask(key));
    return answers.get(key) as T;
  };
}

/** Docker's lists leave a size of nothing out; inspect has it. */
function withoutZero<T extends Record<string, number>>(sizes: T): Partial<T> {
  return Object.fromEntries(Object.entries(sizes).filter(([, bytes]) => bytes !== 0)) as Partial<T>;
}

function compareNs(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** Whatever is wrong with one: the others are shown, and it is, with what is certain. */
function summarise(services: ListContainersNeeds, container: Container, list: ListContext): ContainerSummary {
  try {
    return summaryOf(services, container, list);
  } catch (error) {
    services.log.warn(
      { err: error, container: container.id, name: container.record.name },
      'cannot list a container: its record is damaged',
    );
    const { id, record, state } = container;
    return {
      Id: id,
      Names: [`/${record.name}`],
      Image: record.imageId,
      ImageID: record.imageId,
      Command: '',
      Created: 0,
      Ports: [],
      Labels: {},
      State: state.status,
      Status: state.status,
      ...listedBody(undefined),
      NetworkSettings: { Networks: {} },
      Mounts: [],
    };
  }
}

function summaryOf(services: ListContainersNeeds, container: Container, list: ListContext): ContainerSummary {
  const { record, state } = container;
  return {
    Id: container.id,
    Names: [...(list.links.get(container.id) ?? []), `/${record.name}`],
    // As typed, unless the name now means another image: then the id.
    Image: list.imageIdOf(record.spec.imageName) === record.imageId ? record.spec.imageName : record.imageId,
    ImageID: record.imageId,
    Command: commandText([...record.spec.process.args]),
    Created: Number(BigInt(record.createdNs) / 1_000_000_000n),
    Ports: summaryPorts(services, container),
    Labels: { ...record.spec.labels },
    State: container.isRemoving && !container.isRunning ? 'removing' : state.status,
    Status: statusText(container, list.nowNs),
    ...listedBody(record.body),
    NetworkSettings: { Networks: listedNetworks(services, container) },
    Mounts: mountPoints(services, record.spec.mounts),
  };
}

/** undefined: no image has this name, or none that can be read. */
function imageIdOf({ images }: ListContainersNeeds, typed: string): string | undefined {
  try {
    return images.resolve(typed)?.id;
  } catch {
    return undefined;
  }
}

/** Words with blanks in quotes, as docker shows them. */
function commandText(words: readonly string[]): string {
  const [path = '', ...args] = words;
  return [path, ...args.map((word) => (/\s/.test(word) ? `'${word}'` : word))].join(' ');
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
