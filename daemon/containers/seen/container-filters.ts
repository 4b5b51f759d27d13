// The filters of a container list: each becomes a test; a container is listed when all hold.

import { EngineError } from '../../errors/engine-error.ts';
import { isolationOf } from '../../spec/docker/to-docker.ts';
import { exposedPorts } from '../../spec/ports.ts';
import {
  booleanFilter,
  checkFilterKeys,
  type FilterPattern,
  type Filters,
  filterPatterns,
  matchLabels,
} from '../../state/filters.ts';
import type { Container } from '../container.ts';
import type { ContainerStore } from '../container-store.ts';
import type { ContainerStatus } from '../lifecycle/container-state.ts';

const known: ReadonlySet<string> = new Set([
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'isolation',
  'is-task',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
]);
const statuses: ReadonlySet<string> = new Set<ContainerStatus>([
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
]);
const healths: ReadonlySet<string> = new Set(['none', 'starting', 'healthy', 'unhealthy']);

export interface FilterContext {
  store: Pick<ContainerStore, 'get'>;
  /** The ids of the images that have `ref` as an ancestor, itself included. */
  imagesWithAncestor(ref: string): ReadonlySet<string>;
  networkIds(container: Container): string[];
  /** `80/tcp`: the ports on the host and those in the container that they lead to. */
  publishedPorts(container: Container): string[];
}

/** Throws 'invalid' for keys and values that docker refuses. */
export function containerFilter(filters: Filters, context: FilterContext): (container: Container) => boolean {
  checkFilterKeys(filters, known);
  const tests: ((container: Container) => boolean)[] = [];
  const values = (key: string): readonly string[] => filters.get(key) ?? [];
  const any = (key: string, make: (value: string) => (container: Container) => boolean): void => {
    const alternatives = values(key).map(make);
    if (alternatives.length > 0) tests.push((container) => alternatives.some((test) => test(container)));
  };

  const patterns = filterPatterns(filters, ['id', 'name']);
  const matching = (key: string, test: (pattern: FilterPattern, container: Container) => boolean): void => {
    const list = patterns(key);
    if (list.length > 0) tests.push((container) => list.some((pattern) => test(pattern, container)));
  };
  matching('id', (pattern, { id }) => pattern.test(id));
  matching('name', (pattern, { record }) => pattern.test(record.name) || pattern.test(`/${record.name}`));
  any('status', (value) => {
    if (!statuses.has(value)) throw notOneOf('status', 'state', value, statuses);
    return (container) => container.state.status === value;
  });
  any('exited', (value) => {
    if (!/^-?\d{1,10}$/.test(value)) throw new EngineError('invalid', `invalid filter 'exited=${value}'`);
    return (container) =>
      !container.isRunning && container.state.status !== 'created' && container.state.exitCode === Number(value);
  });
  any('health', (value) => {
    if (!healths.has(value)) throw notOneOf('health', 'health', value, healths);
    return (container) => (container.state.health?.status ?? 'none') === value;
  });
  any('ancestor', (value) => {
    const ids = context.imagesWithAncestor(value);
    return ({ record }) => ids.has(record.imageId) || record.spec.imageName === value;
  });
  any('network', (value) => {
    return (container) =>
      container.record.endpoints.some(({ network }) => network === value) ||
      (value !== '' && context.networkIds(container).some((id) => id.startsWith(value)));
  });
  any('volume', (value) => (container) => hasMount(container, value));
  any('expose', (value) => {
    const test = portTest('expose', value);
    return ({ spec }) =>
      exposedPorts(spec.ports.exposed).some((port) => test(`${port.containerPort}/${port.protocol}`));
  });
  any('publish', (value) => {
    const test = portTest('publish', value);
    return (container) => context.publishedPorts(container).some((port) => test(port));
  });
  any(
    'isolation',
    (value) =>
      ({ record }) =>
        isolationOf(record.body) === value,
  );
  const isTask = booleanFilter(filters, 'is-task');
  if (isTask === true) tests.push(() => false);
  for (const ref of values('before')) {
    const created = BigInt(context.store.get(ref).record.createdNs);
    tests.push(({ record }) => BigInt(record.createdNs) < created);
  }
  for (const ref of values('since')) {
    const created = BigInt(context.store.get(ref).record.createdNs);
    tests.push(({ record }) => BigInt(record.createdNs) > created);
  }
  if (filters.has('label')) tests.push(({ record }) => matchLabels(filters, record.spec.labels));
  return (container) => tests.every((test) => test(container));
}

function notOneOf(key: string, what: string, value: string, known: ReadonlySet<string>): EngineError {
  return new EngineError(
    'invalid',
    `invalid filter '${key}=${value}': invalid value for ${what} (${value}): must be one of ${[...known].join(', ')}`,
  );
}

/** The one filter that shows stopped containers without --all. */
export function filterImpliesAll(filters: Filters): boolean {
  return filters.has('status');
}

function hasMount({ record }: Container, value: string): boolean {
  return record.spec.mounts.some(
    ({ target, source, volume }) => target === value || (volume?.name ?? source) === value,
  );
}

/** "80", "80/udp" or "8000-8010/tcp". */
function portTest(key: string, value: string): (port: string) => boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(value);
  if (match === null) throw new EngineError('invalid', `invalid filter '${key}=${value}'`);
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  if (last < first || last > 65535) throw new EngineError('invalid', `invalid filter '${key}=${value}': not a range`);
  const protocol = match[3] ?? 'tcp';
  return (port) => {
    const [number, has = 'tcp'] = port.split('/');
    return has === protocol && Number(number) >= first && Number(number) <= last;
  };
}
