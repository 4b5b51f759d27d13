// A create request as Docker's clients send it: merged with the image, complete with defaults, checked, and made into a spec. Nothing is made
// here, and no host is asked but for the sources of --mount.
import type { ContainerCreateRequest } from '../../docker-types/container-actions.ts';
import type { ContainerConfig } from '../../docker-types/container-config.ts';
import type { HostConfig } from '../../docker-types/host-config.ts';
import type { EndpointRequest } from '../../docker-types/network.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { ContainerSpec } from '../container-spec.ts';
import type { HostDefaults } from '../host-defaults.ts';
import type { ResolvedMount } from '../mount.ts';
import type { NetworkMode } from '../network-mode.ts';
import { checkHostConfig } from './check-host-config.ts';
import { type DockerBody, specFromDocker } from './from-docker.ts';
import { normaliseHostConfig } from './normalise-host-config.ts';
import { parseMounts } from './parse-mounts.ts';
import { parseLink } from './parse-names.ts';
import { parseNetworkMode } from './parse-network-mode.ts';
import { resolveConfig } from './resolve-config.ts';
import { usableConfig } from './usable-config.ts';

export interface RequestContext {
  /** Of the image, as it is: what of it cannot be used is passed over with a warning. */
  image: ContainerConfig;
  defaults: HostDefaults;
  /** The id of another container, so that a rename does not break what refers to it; undefined when there is none. */
  idOf(ref: string): string | undefined;
  /** What --volumes-from brings. Throws 'invalid' for a container that is not there. */
  inheritedMounts(volumesFrom: readonly string[]): readonly ResolvedMount[];
}

export interface RequestedContainer {
  body: DockerBody;
  /** With limits as they are asked for. Volumes that are to be made have no name yet. */
  spec: ContainerSpec;
  /** As the mode says, whether or not the network is disabled. */
  network: NetworkMode;
  /** What the client itself said: what an image says is no conflict. */
  asked: ContainerConfig;
  endpoints: Readonly<Record<string, EndpointRequest | null>>;
  warnings: string[];
}

/** Throws EngineError 'invalid' for a body that says nothing: before anything is looked for. */
export function checkSaysSomething({ HostConfig: _, NetworkingConfig: __, ...asked }: ContainerCreateRequest): void {
  if (Object.keys(asked).length === 0) {
    throw new EngineError('invalid', 'config cannot be empty in order to create a container');
  }
}

/** Throws EngineError with Docker's code and words for the first thing that cannot be. */
export function readRequest(request: ContainerCreateRequest, context: RequestContext): RequestedContainer {
  const { HostConfig: askedHostConfig, NetworkingConfig, ...asked } = request;
  const ofImage = usableConfig(context.image);
  const config = resolveConfig(asked, ofImage.config);
  const hostConfig = withIds(normaliseHostConfig(askedHostConfig ?? {}, context.defaults), context);
  const network = parseNetworkMode(hostConfig.NetworkMode ?? '');
  checkHostConfig(hostConfig, config);
  const body: DockerBody = { config, hostConfig };
  const spec = specFromDocker(body, []);
  const mounts = parseMounts(hostConfig, config, context.inheritedMounts(hostConfig.VolumesFrom ?? []));
  return {
    body,
    spec: { ...spec, mounts },
    network,
    asked,
    endpoints: NetworkingConfig?.EndpointsConfig ?? {},
    warnings: ofImage.warnings,
  };
}

/** container:NAME becomes container:ID. */
function withIds(hostConfig: HostConfig, context: RequestContext): HostConfig {
  const resolve = (mode: string | undefined): string => {
    if (!mode?.startsWith('container:')) return mode ?? '';
    const id = context.idOf(mode.slice('container:'.length));
    return id === undefined ? mode : `container:${id}`;
  };
  return {
    ...hostConfig,
    NetworkMode: resolve(hostConfig.NetworkMode),
    PidMode: resolve(hostConfig.PidMode),
    IpcMode: resolve(hostConfig.IpcMode),
    Links: linksWithIds(hostConfig, context),
  };
}

/**
 * On the default bridge every link names a container; on a user network it may be one that is still to come, for the name is looked up when it
 * is asked for. Throws 'invalid'.
 */
function linksWithIds({ Links, NetworkMode = '' }: HostConfig, { idOf }: RequestContext): string[] | null {
  if (!Links?.length) return null;
  const mayBeLater = parseNetworkMode(NetworkMode).kind === 'network';
  return Links.map((text) => {
    const { target, alias } = parseLink(text);
    const id = idOf(target);
    if (id === undefined && !mayBeLater) {
      throw new EngineError('invalid', `could not get container for ${target}: No such container: ${target}`);
    }
    return `${id ?? target}:${alias}`;
  });
}
