// --link: on the default bridge, names in the hosts file and variables about the other container, as docker has always had them; on user
// networks, one more name that only this container sees.
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import { type EndpointConfig, parseLink } from '../networks/endpoint-config.ts';
import type { HostLine } from '../networks/managed-files.ts';
import { isPredefined, type NetworkRecord } from '../networks/network-record.ts';
import { parseNetworkMode } from '../spec/network-mode.ts';
import { exposedPorts } from '../spec/port-requests.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { Services } from './services.ts';

/**
 * At create: references become ids, so that a rename does not break them. On the default bridge every link names a container; on a user
 * network it may be one that is still to come, for the name is looked up when it is asked for. Throws 'invalid'.
 */
export function resolveLinks(store: ContainerStore, hostConfig: HostConfig): string[] | null {
  const { Links: links, NetworkMode = '' } = hostConfig;
  if (!links?.length) return null;
  const mayBeLater = parseNetworkMode(NetworkMode).kind === 'network';
  return links.map((text) => {
    const { target, alias } = parseLink(text);
    const found = store.find(target);
    if (found === undefined) {
      if (mayBeLater) return `${target}:${alias}`;
      throw new EngineError('invalid', `could not get container for ${target}: No such container: ${target}`);
    }
    return `${found.id}:${alias}`;
  });
}

/** The links of one endpoint, containers as ids where they are known. */
export function linkRequests(
  { store }: Services,
  hostConfig: HostConfig,
  config: EndpointConfig,
  record: NetworkRecord,
): string[] | null {
  if (isPredefined(record)) return null;
  const all = [...(config.links ?? []), ...(hostConfig.Links ?? [])];
  if (all.length === 0) return null;
  return all.map((text) => {
    const { target, alias } = parseLink(text);
    return `${store.find(target)?.id ?? target}:${alias}`;
  });
}

interface Linked {
  container: Container;
  alias: string;
  ipv4: string;
}

/** The links over the default bridge whose other end runs. Throws 'conflict' for one that does not: its address is not known. */
function linked({ store, networks }: Services, container: Container, mustRun: boolean): Linked[] {
  const bridge = networks.registry.byName('bridge');
  if (bridge === undefined || !container.record.endpoints.some(({ network }) => network === 'bridge')) return [];
  return (container.record.hostConfig.Links ?? []).flatMap((text) => {
    const { target, alias } = parseLink(text);
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

export function linkLines(services: Services, container: Container, mustRun: boolean): HostLine[] {
  return linked(services, container, mustRun).map(({ container: other, alias, ipv4 }) => ({
    address: ipv4,
    names: [...new Set([alias, other.record.config.Hostname, other.record.name])],
  }));
}

/** NAME_PORT and its kin, for every process of the container. */
export function linkEnvironment(services: Services, container: Container): string[] {
  return linked(services, container, false).flatMap(({ container: other, alias, ipv4 }) => {
    const prefix = alias.toUpperCase().replaceAll('-', '_');
    const { ExposedPorts, Env } = other.record.config;
    const ports = exposedPorts(ExposedPorts).sort(
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
      ...Env.filter((entry) => entry.includes('=') && !/^(HOME|PATH)=/.test(entry)).map(
        (entry) => `${prefix}_ENV_${entry}`,
      ),
    ];
  });
}

/** Running containers that have a link to this one. */
export function linkedFrom({ store }: Services, container: Container): Container[] {
  return [...store.all()].filter(
    (other) =>
      other.isRunning &&
      (other.record.hostConfig.Links ?? []).some((text) => store.find(parseLink(text).target) === container),
  );
}

/** As docker shows them: "/other:/own/alias". */
export function linkTexts(store: ContainerStore, container: Container): string[] | null {
  const { Links } = container.record.hostConfig;
  if (!Links?.length) return null;
  return Links.map((text) => {
    const { target, alias } = parseLink(text);
    return `/${store.find(target)?.record.name ?? target}:/${container.record.name}/${alias}`;
  });
}

/** The further names that links give: "/own/alias" of the other container, by its id. */
export function linkNames(store: ContainerStore): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const container of store.all()) {
    for (const text of container.record.hostConfig.Links ?? []) {
      const { target, alias } = parseLink(text);
      const id = store.find(target)?.id;
      if (id === undefined) continue;
      const further = names.get(id) ?? [];
      further.push(`/${container.record.name}/${alias}`);
      names.set(id, further);
    }
  }
  return names;
}

/** `rm --link parent/alias`. The lines in its hosts file stay until the next start, as docker leaves them. */
export async function removeLink({ store }: Services, ref: string): Promise<void> {
  const [parent = '', alias = '', ...rest] = ref.replace(/^\//, '').split('/');
  if (alias === '' || rest.length > 0) {
    throw new EngineError('invalid', `Conflict, cannot remove the default link name of the container: ${ref}`);
  }
  const container = store.find(parent);
  if (container === undefined) throw new EngineError('not-found', `Cannot get parent /${parent} for name /${ref}`);
  await container.locked(() => {
    const { hostConfig } = container.record;
    const left = (hostConfig.Links ?? []).filter((text) => parseLink(text).alias !== alias);
    if (left.length === (hostConfig.Links ?? []).length) throw new EngineError('not-found', `No such link: /${ref}`);
    container.record.hostConfig = { ...hostConfig, Links: left.length === 0 ? null : left };
    store.saveRecord(container);
  });
}
