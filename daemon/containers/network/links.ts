// --link: on the default bridge, names in the hosts file and variables about the other container, as docker has always had them; on user
// networks, one more name that only this container sees.
import { EngineError } from '../../errors/engine-error.ts';
import type { EndpointConfig } from '../../networks/endpoint-config.ts';
import type { HostLine } from '../../networks/managed-files.ts';
import { isPredefined, type NetworkRecord } from '../../networks/network-record.ts';
import type { ContainerSpec } from '../../spec/container-spec.ts';
import { parseLink } from '../../spec/docker/parse-names.ts';
import { withLinks } from '../../spec/docker/to-docker.ts';
import { exposedPorts } from '../../spec/ports.ts';
import type { Container } from '../container.ts';
import type { ContainerStore } from '../container-store.ts';
import type { Needs } from '../needs.ts';
import type { LinkName, PresentLink } from '../seen/seen-container.ts';

/** See needs.ts. */
export type LinksNeeds = Needs<'networks.registry.byName' | 'store.all' | 'store.change' | 'store.find'>;

/** The links of one endpoint, containers as ids where they are known. */
export function linkRequests(
  { store }: LinksNeeds,
  spec: Pick<ContainerSpec, 'links'>,
  config: EndpointConfig,
  record: NetworkRecord,
): string[] | null {
  if (isPredefined(record)) return null;
  const all = [...(config.links ?? []).map(parseLink), ...spec.links];
  if (all.length === 0) return null;
  return all.map(({ target, alias }) => `${store.find(target)?.id ?? target}:${alias}`);
}

interface Linked {
  container: Container;
  alias: string;
  ipv4: string;
}

/** The links over the default bridge whose other end runs. Throws 'conflict' for one that does not: its address is not known. */
function linked({ store, networks }: LinksNeeds, container: Container, mustRun: boolean): Linked[] {
  const bridge = networks.registry.byName('bridge');
  if (bridge === undefined || !container.record.endpoints.some(({ network }) => network === 'bridge')) return [];
  return container.spec.links.flatMap(({ target, alias }) => {
    const other = store.find(target);
    const ipv4 = other === undefined ? undefined : bridge.endpoints.get(other.id)?.ipv4;
    if (other !== undefined && ipv4 !== undefined) return [{ container: other, alias, ipv4 }];
    if (!mustRun) return [];
    throw new EngineError(
      'conflict',
      `Cannot link to a non running container: ${other === undefined ? target : `/${other.record.name}`} AS /${container.record.name}/${alias}`,
    );
  });
}

export function linkLines(services: LinksNeeds, container: Container, mustRun: boolean): HostLine[] {
  return linked(services, container, mustRun).map(({ container: other, alias, ipv4 }) => ({
    address: ipv4,
    names: [...new Set([alias, other.spec.hostname, other.record.name])],
  }));
}

/** NAME_PORT and its kin, for every process of the container. */
export function linkEnvironment(services: LinksNeeds, container: Container): string[] {
  return linked(services, container, false).flatMap(({ container: other, alias, ipv4 }) => {
    const prefix = alias.toUpperCase().replaceAll('-', '_');
    const { ports: own, process } = other.spec;
    const ports = exposedPorts(own.exposed).sort(
      (a, b) => Number(a.protocol !== 'tcp') - Number(b.protocol !== 'tcp') || a.containerPort - b.containerPort,
    );
    const [first] = ports;
    const url = (port: (typeof ports)[number]) => `${port.protocol}://${ipv4}:${port.containerPort}`;
    return [
      ...(first === undefined ? [] : [`${prefix}_PORT=${url(first)}`]),
      ...ports.flatMap((port) => {
        const name = `${prefix}_PORT_${port.containerPort}_${port.protocol.toUpperCase()}`;
        return [
          `${name}=${url(port)}`,
          `${name}_ADDR=${ipv4}`,
          `${name}_PORT=${port.containerPort}`,
          `${name}_PROTO=${port.protocol}`,
        ];
      }),
      `${prefix}_NAME=/${container.record.name}/${alias}`,
      ...process.env
        .filter((entry) => entry.includes('=') && !/^(HOME|PATH)=/.test(entry))
        .map((entry) => `${prefix}_ENV_${entry}`),
    ];
  });
}

/** Running containers that have a link to this one. */
export function linkedFrom({ store }: LinksNeeds, container: Container): Container[] {
  return [...store.all()].filter(
    (other) => other.isRunning && other.spec.links.some(({ target }) => store.find(target) === container),
  );
}

export function presentLinks(store: Pick<ContainerStore, 'find'>, { spec }: Pick<Container, 'spec'>): PresentLink[] {
  return spec.links.map(({ target, alias }) => ({ name: store.find(target)?.record.name ?? target, alias }));
}

/** By the id of the other container. */
export function linkNames(store: Pick<ContainerStore, 'all' | 'find'>): Map<string, LinkName[]> {
  const names = new Map<string, LinkName[]>();
  for (const { record, spec } of store.all()) {
    for (const { target, alias } of spec.links) {
      const id = store.find(target)?.id;
      if (id === undefined) continue;
      const further = names.get(id) ?? [];
      further.push({ by: record.name, alias });
      names.set(id, further);
    }
  }
  return names;
}

/** `rm --link parent/alias`. The lines in its hosts file stay until the next start, as docker leaves them. */
export async function removeLink({ store }: LinksNeeds, ref: string): Promise<void> {
  const [parent = '', alias = '', ...rest] = ref.replace(/^\//, '').split('/');
  if (alias === '' || rest.length > 0) {
    throw new EngineError('invalid', `Conflict, cannot remove the default link name of the container: ${ref}`);
  }
  const container = store.find(parent);
  if (container === undefined) throw new EngineError('not-found', `Cannot get parent /${parent} for name /${ref}`);
  await container.locked(() => {
    const { spec, body } = container.record;
    const links = spec.links.filter((link) => link.alias !== alias);
    if (links.length === spec.links.length) throw new EngineError('not-found', `No such link: /${ref}`);
    store.change(container, withLinks({ spec, body }, links));
  });
}
