// What a create request comes to, with nothing made yet: image found, config merged, host config complete and checked, mounts known.
// create and explain share it.

import { resourcesFromHostConfig } from '../cgroups/resources.ts';
import type { ContainerCreateRequest } from '../docker-types/container-actions.ts';
import type { ResolvedConfig } from '../docker-types/container-config.ts';
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { ImageRecord } from '../images/image-service.ts';
import { parsePlatform, requirePlatform } from '../images/platform.ts';
import { checkDns, parseExtraHost } from '../networks/managed-files.ts';
import { resolveDevices } from '../runtime/devices.ts';
import { parseNamespaceModes } from '../runtime/namespaces.ts';
import { validateHostConfig } from '../runtime/validate-host-config.ts';
import type { ResolvedMount } from '../spec/mount.ts';
import { parseNetworkMode } from '../spec/network-mode.ts';
import { containerLog } from './container-log.ts';
import type { ContainerRecord } from './container-record.ts';
import { foreignPlatform } from './foreign-platform.ts';
import { withGranted } from './granted-limits.ts';
import { healthWarnings } from './health-rules.ts';
import { checkRestartPolicy } from './lifecycle/restart-policy.ts';
import { resolveLinks } from './links.ts';
import { normaliseHostConfig } from './normalise-host-config.ts';
import { planEndpoints } from './plan-endpoints.ts';
import { resolveConfig } from './resolve-config.ts';
import type { Services } from './services.ts';
import { usableConfig } from './usable-config.ts';
import { inheritedMounts } from './volumes-from.ts';

export interface PlannedContainer {
  image: ImageRecord;
  config: ResolvedConfig;
  /** For the container's UTS namespace when the config names none; empty is "the short id". */
  hostname: string;
  hostConfig: HostConfig;
  /** Volumes that are to be made have no name yet. */
  mounts: readonly ResolvedMount[];
  endpoints: ContainerRecord['endpoints'];
  warnings: string[];
}

/** Throws EngineError with Docker's code and words for the first thing that cannot be. */
export function planContainer(services: Services, body: ContainerCreateRequest, platform?: string): PlannedContainer {
  const { HostConfig: askedHostConfig, NetworkingConfig, ...asked } = body;
  if (Object.keys(asked).length === 0) {
    throw new EngineError('invalid', 'config cannot be empty in order to create a container');
  }
  // Before the image is looked for: a client that is told 404 would pull it.
  const wanted = platform ? parsePlatform(platform) : undefined;
  const image = services.images.get(asked.Image ?? '');
  requirePlatform(asked.Image ?? '', image.config, wanted);
  const ofImage = usableConfig(image.config.config ?? {});
  const config = resolveConfig(asked, ofImage.config);
  const hostConfig = resolveReferences(services, normaliseHostConfig(askedHostConfig ?? {}, services.defaults));

  checkRestartPolicy(hostConfig);
  const log = containerLog(services, hostConfig);
  const network = parseNetworkMode(hostConfig.NetworkMode ?? '');
  checkDns(hostConfig.Dns ?? [], hostConfig.DnsSearch ?? [], hostConfig.DnsOptions ?? []);
  for (const host of hostConfig.ExtraHosts ?? []) parseExtraHost(host);
  parseNamespaceModes(hostConfig, services.defaults.cgroupVersion);
  const checked = validateHostConfig(
    hostConfig,
    config,
    services.host.facts,
    services.defaults.cgroupVersion,
    inheritedMounts(services.store, hostConfig),
  );
  const { endpoints, warnings: networkWarnings } = planEndpoints(services.networks.registry, {
    hostConfig,
    config,
    asked,
    endpoints: NetworkingConfig?.EndpointsConfig,
  });
  const mounts = checked.mounts.map((mount) => withImage(services, mount));
  if (hostConfig.CgroupParent) services.cgroups.checkParent(hostConfig.CgroupParent);
  const { granted, warnings } = resourcesFromHostConfig(hostConfig, services.cgroups, resolveDevices(hostConfig));

  return {
    image,
    config,
    hostname: network.kind === 'host' || hostConfig.UTSMode === 'host' ? services.host.facts.hostname : '',
    hostConfig: withGranted(hostConfig, granted),
    mounts,
    endpoints,
    warnings: [
      ...ofImage.warnings,
      ...platformWarnings(image, platform),
      ...checked.warnings,
      ...warnings,
      ...networkWarnings,
      ...healthWarnings(config),
      ...log.warnings,
    ],
  };
}

/** An image that is mounted is this one from now on, whatever its name comes to mean. Throws 'not-found'. */
function withImage({ images }: Services, mount: ResolvedMount): ResolvedMount {
  return mount.type === 'image' ? { ...mount, source: images.get(mount.source).id } : mount;
}

function platformWarnings({ config }: ImageRecord, platform: string | undefined): string[] {
  const foreign = platform ? undefined : foreignPlatform(config);
  return foreign === undefined ? [] : [foreign.warning];
}

/** container:NAME becomes container:ID, so that a rename does not break it. */
function resolveReferences(services: Services, hostConfig: HostConfig): HostConfig {
  const resolve = (mode: string | undefined): string => {
    if (!mode?.startsWith('container:')) return mode ?? '';
    const found = services.store.find(mode.slice('container:'.length));
    return found === undefined ? mode : `container:${found.id}`;
  };
  return {
    ...hostConfig,
    NetworkMode: resolve(hostConfig.NetworkMode),
    PidMode: resolve(hostConfig.PidMode),
    IpcMode: resolve(hostConfig.IpcMode),
    Links: resolveLinks(services.store, hostConfig),
  };
}
