// What a create request comes to, with nothing made yet: image found, body read, networks planned, and what depends on this host looked at.
// create and explain share it.

import { resolveResources } from '../../cgroups/resources.ts';
import type { ContainerCreateRequest } from '../../docker-types/container-actions.ts';
import { parsePlatform, requirePlatform } from '../../images/documents/platform.ts';
import type { ImageRecord } from '../../images/image-service.ts';
import { checkDns } from '../../networks/managed-files.ts';
import { checkOnHost } from '../../runtime/check-on-host.ts';
import { checkSaysSomething, type RequestedContainer, readRequest } from '../../spec/docker/from-request.ts';
import { withLimits } from '../../spec/docker/to-docker.ts';
import type { ResolvedMount } from '../../spec/mount.ts';
import type { ContainerRecord } from '../container-record.ts';
import { foreignPlatform } from '../create/foreign-platform.ts';
import { inheritedMounts } from '../create/volumes-from.ts';
import { healthWarnings } from '../health/health-rules.ts';
import type { Needs } from '../needs.ts';
import { planEndpoints } from '../network/plan-endpoints.ts';
import { type ContainerLogNeeds, containerLog } from '../streams/container-log.ts';

/** See needs.ts. */
export type PlanContainerNeeds = Needs<
  'cgroups' | 'defaults' | 'host.facts' | 'images.get' | 'networks.registry' | 'store'
> &
  ContainerLogNeeds;

/** Volumes that are to be made have no name yet. */
export interface PlannedContainer extends Pick<ContainerRecord, 'body' | 'spec' | 'endpoints'> {
  image: ImageRecord;
  /** When the user names none; empty is "the short id". */
  hostname: string;
  warnings: string[];
}

/** Throws EngineError with Docker's code and words for the first thing that cannot be. */
export function planContainer(
  services: PlanContainerNeeds,
  request: ContainerCreateRequest,
  platform?: string,
): PlannedContainer {
  checkSaysSomething(request);
  // Before the image is looked for: a client that is told 404 would pull it.
  const wanted = platform ? parsePlatform(platform) : undefined;
  const image = services.images.get(request.Image ?? '');
  requirePlatform(request.Image ?? '', image.config, wanted);
  const asked = readRequest(request, {
    image: image.config.config ?? {},
    defaults: services.defaults,
    idOf: (ref) => services.store.find(ref)?.id,
    inheritedMounts: (from) => inheritedMounts(services.store, from),
  });
  const { spec } = asked;
  const { facts } = services.host;
  const log = containerLog(services, spec);
  checkDns(spec.dns.servers, spec.dns.search, spec.dns.options);
  const onHost = checkOnHost(spec, facts);
  const { endpoints, warnings: networkWarnings } = planEndpoints(services.networks.registry, asked);
  const mounts = spec.mounts.map((mount) => withImage(services, mount));
  if (spec.cgroupParent !== '') services.cgroups.checkParent(spec.cgroupParent);
  const { granted, warnings } = resolveResources(spec, services.cgroups, onHost.devices);
  return {
    ...withLimits({ body: asked.body, spec: { ...spec, mounts } }, granted),
    image,
    hostname: hasHostsName(asked) ? facts.hostname : '',
    endpoints,
    warnings: [
      ...asked.warnings,
      ...platformWarnings(image, platform),
      ...onHost.warnings,
      ...warnings,
      ...networkWarnings,
      ...healthWarnings(asked.body.config),
      ...log.warnings,
    ],
  };
}

function hasHostsName({ network, spec }: RequestedContainer): boolean {
  return network.kind === 'host' || spec.namespaces.uts.kind === 'host';
}

/** The name that it has as the container `id`. */
export function hostnameOf({ spec, hostname }: PlannedContainer, id: string): string {
  return spec.hostname || hostname || id.slice(0, 12);
}

/** An image that is mounted is this one from now on, whatever its name comes to mean. Throws 'not-found'. */
function withImage({ images }: PlanContainerNeeds, mount: ResolvedMount): ResolvedMount {
  return mount.type === 'image' ? { ...mount, source: images.get(mount.source).id } : mount;
}

function platformWarnings({ config }: ImageRecord, platform: string | undefined): string[] {
  const foreign = platform ? undefined : foreignPlatform(config);
  return foreign === undefined ? [] : [foreign.warning];
}
