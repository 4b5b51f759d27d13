// What Docker is shown of a container, and what keeps that in step with the spec. The body is the request's, complete, and nothing that
// runs reads it; a change of the spec that Docker would see changes the body here, and both are stored together.
import type { HostConfig } from '../../docker-types/host-config.ts';
import type { ContainerSpec, Link } from '../container-spec.ts';
import type { Limits } from '../limits.ts';
import { limitsToDocker } from './docker-limits.ts';
import type { DockerBody } from './from-docker.ts';

/** A container and what Docker is shown of it. */
export interface Described {
  readonly body: DockerBody;
  readonly spec: ContainerSpec;
}

/** A container with other names of its host. */
export function withNames(
  { body, spec }: Described,
  { hostname, domainname }: Pick<ContainerSpec, 'hostname' | 'domainname'>,
): Described {
  return {
    spec: { ...spec, hostname, domainname },
    body: { ...body, config: { ...body.config, Hostname: hostname, Domainname: domainname } },
  };
}

/** With the limits that the host grants: what was asked for and cannot be had is not shown. */
export function withLimits({ body, spec }: Described, limits: Limits): Described {
  return { spec: { ...spec, limits }, body: { ...body, hostConfig: limitsToDocker(body.hostConfig, limits) } };
}

export function withLinks({ body, spec }: Described, links: readonly Link[]): Described {
  const texts = links.map(({ target, alias }) => `${target}:${alias}`);
  return {
    spec: { ...spec, links },
    body: { ...body, hostConfig: { ...body.hostConfig, Links: texts.length === 0 ? null : texts } },
  };
}

/** For inspect. `links` as they are shown, with the present names. */
export function inspectedBody({ config, hostConfig }: DockerBody, links: string[] | null) {
  return {
    HostConfig: { ...hostConfig, Links: links },
    Config: { ...config, Env: config.Env?.length > 0 ? config.Env : null },
  };
}

/** For lists. undefined: of a container whose record is damaged. */
export function listedBody(body: DockerBody | undefined): {
  HostConfig: { NetworkMode: string; Annotations?: Record<string, string> };
} {
  const { NetworkMode = '', Annotations }: HostConfig = body?.hostConfig ?? {};
  return { HostConfig: { NetworkMode, ...(Annotations ? { Annotations } : {}) } };
}

/** A word of Docker's for Windows, which a filter asks for. */
export function isolationOf({ hostConfig }: DockerBody): string {
  return hostConfig.Isolation ?? '';
}
