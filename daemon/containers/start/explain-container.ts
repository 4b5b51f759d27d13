// `tsdocker explain`: what a run would do, or what made a container, as text. Nothing is made; of the image only what a start
// would look up is looked up.
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { resolveResources } from '../../cgroups/resources.ts';
import type { ContainerCreateRequest } from '../../docker-types/container-actions.ts';
import type { EndpointConfig } from '../../networks/endpoint-config.ts';
import type { ResolvedUser } from '../../runtime/container-input.ts';
import { resolveDevices } from '../../runtime/devices.ts';
import { explain } from '../../runtime/explain/explain.ts';
import { planContainerProgram } from '../../runtime/program/container-program.ts';
import { resolveUser } from '../../runtime/user-database.ts';
import type { ContainerSpec } from '../../spec/container-spec.ts';
import type { Needs } from '../needs.ts';
import { type ExplainNetworkNeeds, explainNetwork } from '../network/explain-network.ts';
import { type LinksNeeds, linkEnvironment } from '../network/links.ts';
import { findNetwork } from '../network/plan-endpoints.ts';
import { managedFilesOf, type WriteManagedFilesNeeds } from '../network/write-managed-files.ts';
import { type ContainerLogNeeds, containerLog } from '../streams/container-log.ts';
import { type CgroupPathNeeds, plannedCgroupPath } from './cgroup-path.ts';
import { type JoinNamespacesNeeds, networkDonor, planNamespaces, sharedNames } from './join-namespaces.ts';
import { hostnameOf, type PlanContainerNeeds, planContainer } from './plan-container.ts';

/** See needs.ts. */
export type ExplainContainerNeeds = Needs<
  | 'cgroups'
  | 'defaults.cgroupVersion'
  | 'host'
  | 'images.openFiles'
  | 'images.topLayer'
  | 'layers.dirs'
  | 'layers.mountCalls'
  | 'layers.viewDirs'
  | 'networks.registry'
  | 'paths.container'
  | 'paths.dataRoot'
  | 'paths.logs'
  | 'paths.run'
  | 'paths.staging'
  | 'store'
> &
  CgroupPathNeeds &
  ContainerLogNeeds &
  ExplainNetworkNeeds &
  JoinNamespacesNeeds &
  LinksNeeds &
  PlanContainerNeeds &
  WriteManagedFilesNeeds;

/** Stands for the descriptor of the prepared network namespace. */
const pooledNamespace = { fd: -1 };
/** Stands for the id that a run would get. */
const exampleId = '0'.repeat(64);

interface Explained {
  id: string;
  title: string;
  spec: ContainerSpec;
  linkEnv: readonly string[];
  endpoints: readonly EndpointConfig[];
  user: ResolvedUser;
  dirs: { lower: readonly string[]; upper: string; work: string };
  /** The image, for what is looked up in it. */
  rootFd: number;
  warnings: readonly string[];
}

export function explainRun(services: ExplainContainerNeeds, body: ContainerCreateRequest): string {
  const plan = planContainer(services, body);
  const spec = { ...plan.spec, hostname: hostnameOf(plan, exampleId) };
  const { paths, layers, networks } = services;
  // A create would take them; the start, which this is about as well, would not.
  for (const endpoint of plan.endpoints)
    if (findNetwork(networks.registry, endpoint) === undefined) networks.registry.get(endpoint.network);
  const root = services.images.openFiles(plan.image.id);
  try {
    return describe(services, {
      id: exampleId,
      title: `run ${spec.imageName}`,
      spec,
      linkEnv: [],
      endpoints: plan.endpoints,
      user: resolveUser(root, spec.process.user, spec.process.groups),
      dirs: {
        // Made at create: the places where the engine mounts.
        lower: [join(paths.dataRoot, 'layers', 'NEW'), ...layers.viewDirs(services.images.topLayer(plan.image.id))],
        upper: join(paths.container(exampleId), 'upper'),
        work: join(paths.container(exampleId), 'work'),
      },
      rootFd: root,
      warnings: plan.warnings,
    });
  } finally {
    closeSync(root);
  }
}

export function explainContainer(services: ExplainContainerNeeds, ref: string): Promise<string> {
  const container = services.store.get(ref);
  return container.locked(() => {
    const { record, spec, id } = container;
    // Its own root may be in use: the image's user database is the one that counts, unless the container changed it.
    const root = services.images.openFiles(record.imageId);
    try {
      return describe(services, {
        id,
        title: `container ${record.name} (${id.slice(0, 12)})`,
        spec,
        linkEnv: linkEnvironment(services, container),
        endpoints: record.endpoints,
        user: resolveUser(root, spec.process.user, spec.process.groups),
        dirs: services.layers.dirs(id),
        rootFd: root,
        warnings: [],
      });
    } finally {
      closeSync(root);
    }
  });
}

function describe(services: ExplainContainerNeeds, input: Explained): string {
  const { cgroups, paths, host, defaults, layers } = services;
  const { id, linkEnv, user } = input;
  const donor = networkDonor(services.store, input.spec);
  const spec = { ...input.spec, ...(donor && sharedNames(donor)) };
  const cgroupPath = plannedCgroupPath(services, id, spec);
  const { resources } = resolveResources(spec, cgroups, resolveDevices(spec.devices.mappings));
  const plan = planContainerProgram({
    id,
    rootFd: input.rootFd,
    container: spec,
    linkEnv,
    user,
    managedFiles: managedFilesOf(services, donor?.id ?? id),
    namespaces: planNamespaces(services, spec, pooledNamespace),
    cgroupPath,
    cgroupVersion: defaults.cgroupVersion,
    facts: host.facts,
    host,
    cgroup: cgroups.placement(cgroupPath),
    logDir: paths.logs(id),
    logOptions: containerLog(services, spec).limits,
    nextLogSeq: 0,
    runDir: paths.run(id),
    stagingDir: paths.staging,
  });
  return explain({
    ...plan,
    title: input.title,
    cgroup: cgroups.plan(cgroupPath, resources),
    layers: [...input.dirs.lower].reverse().concat(input.dirs.upper),
    root: layers.mountCalls(input.dirs),
    network: explainNetwork(services, spec, input.endpoints),
    warnings: input.warnings,
    facts: host.facts,
  });
}
