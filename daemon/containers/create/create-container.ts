// POST /containers/create: everything is checked first, then the layer is made, and the row last: what has no row does not exist, and is
// cleaned away at the next start.
import { randomBytes } from 'node:crypto';
import type { ContainerCreateRequest, ContainerCreateResponse } from '../../docker-types/container-actions.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { withNames } from '../../spec/docker/to-docker.ts';
import { wallClockNs } from '../../state/event-log.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from '../container-events.ts';
import type { ContainerRecord } from '../container-record.ts';
import { newState } from '../lifecycle/container-state.ts';
import type { Needs } from '../needs.ts';
import { hostnameOf, type PlanContainerNeeds, type PlannedContainer, planContainer } from '../start/plan-container.ts';
import { generateName } from './generate-name.ts';
import { type PrepareMountsNeeds, prepareMounts } from './prepare-mounts.ts';

/** See needs.ts. */
export type CreateContainerNeeds = Needs<
  | 'images.topLayer'
  | 'layers.makeDirectory'
  | 'layers.prepare'
  | 'layers.remove'
  | 'store.checkNameIsFree'
  | 'store.insert'
  | 'store.isNameTaken'
  | 'volumes.claim'
> &
  ContainerEventsNeeds &
  PlanContainerNeeds &
  PrepareMountsNeeds;

/** One character is enough, where Docker wants two. */
const namePattern = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const nameLimit = 255;

export async function createContainer(
  services: CreateContainerNeeds,
  body: ContainerCreateRequest,
  options: { name?: string; platform?: string },
): Promise<ContainerCreateResponse> {
  const { store, layers } = services;
  const name = options.name ? checkName(options.name) : generateName((candidate) => store.isNameTaken(candidate));
  const plan = planContainer(services, body, options.platform);
  store.checkNameIsFree(name);
  const id = randomBytes(32).toString('hex');
  using claim = services.volumes.claim(id);
  const { mounts, points } = await prepareMounts(services, plan, claim);
  const record = makeRecord(id, name, { ...plan, spec: { ...plan.spec, mounts } });
  try {
    await layers.prepare(id, services.images.topLayer(plan.image.id), { mountPoints: points });
    // Before the first start: files are copied into it.
    const { workingDir } = plan.spec.process;
    if (workingDir !== '' && workingDir !== '/') await layers.makeDirectory(id, workingDir);
    const container = store.insert(record, newState(), (write) => claim.settle(write));
    publishContainerEvent(services, container, 'create');
  } catch (error) {
    layers.remove(id);
    throw error;
  }
  return { Id: id, Warnings: plan.warnings };
}

function makeRecord(id: string, name: string, plan: PlannedContainer): ContainerRecord {
  const { body, spec } = withNames(plan, { ...plan.spec, hostname: hostnameOf(plan, id) });
  return {
    id,
    name,
    createdNs: wallClockNs().toString(),
    imageId: plan.image.id,
    body,
    spec,
    endpoints: plan.endpoints,
  };
}

/** Without the leading slash that old clients send. Throws 'invalid' in docker's words. */
export function checkName(name: string): string {
  if (!namePattern.test(name) || name.length > nameLimit) {
    throw new EngineError(
      'invalid',
      `Invalid container name (${name.slice(0, nameLimit)}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  const bare = name.replace(/^\//, '');
  if (/^[0-9a-f]{64}$/.test(bare)) {
    throw new EngineError('invalid', `Invalid container name (${bare}): it reads like the id of a container`);
  }
  return bare;
}
