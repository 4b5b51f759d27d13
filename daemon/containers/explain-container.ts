// `tsdocker explain`: what a run would do, or what made a container, as text. Nothing is made, and of the container's files only its user
// database is read.
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerCreateRequest } from '../api/types/container-actions.ts';
import type { ResolvedConfig } from '../api/types/container-config.ts';
import type { HostConfig } from '../api/types/host-config.ts';
import { resourcesFromHostConfig } from '../cgroups/resources.ts';
import type { EndpointConfig } from '../networks/endpoint-config.ts';
import type { ResolvedMount, ResolvedUser } from '../runtime/container-input.ts';
import { planContainerProgram } from '../runtime/container-program.ts';
import { resolveDevices } from '../runtime/devices.ts';
import { explain } from '../runtime/explain.ts';
import { resolveUser } from '../runtime/user-database.ts';
import { plannedCgroupPath } from './cgroup-path.ts';
import { explainNetwork } from './explain-network.ts';
import { planNamespaces } from './join-namespaces.ts';
import { parseLogConfig } from './log-options.ts';
import { planContainer } from './plan-container.ts';
import type { Services } from './services.ts';

/** Stands for the descriptor of the prepared network namespace. */
const pooledNamespace = { fd: -1 };
/** Stands for the id that a run would get. */
const exampleId = '0'.repeat(64);

interface Explained {
  id: string;
  title: string;
  config: ResolvedConfig;
  hostConfig: HostConfig;
  mounts: readonly ResolvedMount[];
  endpoints: readonly EndpointConfig[];
  user: ResolvedUser;
  /** Lowest first. */
  layers: readonly string[];
  warnings: readonly string[];
}

export function explainRun(services: Services, body: ContainerCreateRequest): string {
  const plan = planContainer(services, body);
  const config = { ...plan.config, Hostname: plan.config.Hostname || plan.hostname || exampleId.slice(0, 12) };
  const { paths, layers } = services;
  const lower = layers.imageLayerDirs(plan.image.id);
  const root = layers.openImage(plan.image.id);
  try {
    return describe(services, {
      id: exampleId,
      title: `run ${plan.config.Image}`,
      config,
      hostConfig: plan.hostConfig,
      mounts: plan.mounts,
      endpoints: plan.endpoints,
      user: resolveUser(root, config.User, plan.hostConfig.GroupAdd ?? []),
      layers: [...lower].reverse().concat(join(paths.container(exampleId), 'upper')),
      warnings: plan.warnings,
    });
  } finally {
    closeSync(root);
  }
}

export function explainContainer(services: Services, ref: string): Promise<string> {
  const container = services.store.get(ref);
  return container.lock.run(() => {
    const { record, id } = container;
    const dirs = services.layers.layerDirs(id);
    // Its own root may be in use: the image's user database is the one that counts, unless the container changed it.
    const root = services.layers.openImage(record.imageId);
    try {
      return describe(services, {
        id,
        title: `container ${record.name} (${id.slice(0, 12)})`,
        config: record.config,
        hostConfig: record.hostConfig,
        mounts: record.mounts,
        endpoints: record.endpoints,
        user: resolveUser(root, record.config.User, record.hostConfig.GroupAdd ?? []),
        layers: [...dirs.lower].reverse().concat(dirs.upper),
        warnings: [],
      });
    } finally {
      closeSync(root);
    }
  });
}

function describe(services: Services, input: Explained): string {
  const { cgroups, paths, host, defaults } = services;
  const { id, config, hostConfig, mounts, user } = input;
  const cgroupPath = plannedCgroupPath(services, id, hostConfig);
  const { resources } = resourcesFromHostConfig(hostConfig, cgroups, resolveDevices(hostConfig));
  const { maxBytes, maxFiles } = parseLogConfig(hostConfig.LogConfig);
  using plan = planContainerProgram({
    id,
    config,
    hostConfig,
    user,
    mounts,
    managedFiles: {
      hosts: paths.managedFile(id, 'hosts'),
      hostname: paths.managedFile(id, 'hostname'),
      resolvConf: paths.managedFile(id, 'resolv.conf'),
    },
    namespaces: planNamespaces(services, { config, hostConfig }, pooledNamespace),
    cgroupPath,
    cgroupVersion: defaults.cgroupVersion,
    facts: host.facts,
    host,
    cgroup: cgroups.placement(cgroupPath),
    logDir: paths.logs(id),
    logOptions: { maxBytes, maxFiles },
    nextLogSeq: 0,
    runDir: paths.run(id),
    stagingDir: paths.staging,
    init: hostConfig.Init ?? false,
  });
  return explain({
    title: input.title,
    spec: plan.spec,
    program: plan.program,
    cgroup: cgroups.plan(cgroupPath, resources),
    layers: input.layers,
    network: explainNetwork(services, hostConfig, config, input.endpoints),
    warnings: input.warnings,
  });
}
