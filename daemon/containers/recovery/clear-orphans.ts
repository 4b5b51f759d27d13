// What belongs to no row, at the daemon's start: directories and control groups of a create, start or remove that was cut short. A row may
// also have been lost; so what still runs is left alone, with all that it uses, and told: data and processes do not go for want of a record.
import { existsSync, readdirSync } from 'node:fs';
import type { Strays } from '../../state/strays.ts';
import { findTask, within } from '../../tasks/find-task.ts';
import type { Needs } from '../needs.ts';
import { type AdoptContainerNeeds, readStarted } from './adopt-container.ts';

/** See needs.ts. */
export type ClearOrphansNeeds = Needs<
  | 'cgroupParent'
  | 'cgroups.containersIn'
  | 'cgroups.groupOf'
  | 'cgroups.isParentShared'
  | 'cgroups.kill'
  | 'cgroups.pids'
  | 'cgroups.remove'
  | 'layers.remove'
  | 'log'
  | 'networks.registry.byId'
  | 'networks.sandboxes.adoptUnknown'
  | 'paths.containers'
  | 'paths.logs'
  | 'paths.run'
  | 'paths.runs'
  | 'runs.emptyTrash'
  | 'runs.remove'
> &
  AdoptContainerNeeds;

const idPattern = /^[0-9a-f]{64}$/;
const answerLimitMs = 1500;

/**
 * Containers that run and have no row, by their ids. What they have of the network is taken over, so that nothing of it is taken from them;
 * `pids` gets their first processes. Before the networks are healed.
 */
export async function findHeld(
  services: ClearOrphansNeeds,
  rows: ReadonlySet<string>,
  pids: Map<string, number>,
): Promise<ReadonlySet<string>> {
  const { paths, networks } = services;
  const held = new Set<string>();
  for (const id of orphans(list(paths.runs), rows)) {
    const runDir = paths.run(id);
    const task = await within(findTask({ runDir, logDir: paths.logs(id) }, services.log), answerLimitMs);
    if (task === undefined) continue;
    held.add(id);
    const started = readStarted(services, runDir);
    services.log.warn(
      { container: id, pid: started?.pid, monitor: started?.monitor },
      'a container runs that the database does not have: it is left alone; end it by killing its process',
    );
    if (started !== undefined) pids.set(id, started.pid);
    networks.sandboxes.adoptUnknown({ ...nobody, containerId: id, runDir }, (network) =>
      networks.registry.byId(network),
    );
    if (task !== 'silent') task.letGo();
  }
  return held;
}

const nobody = {
  containerName: '',
  hostname: '',
  wantedPorts: [],
  resolver: { servers: [], isFromHost: false, isNdotsSet: false },
};

/**
 * Only directories below this engine's own roots say that something is its own: another engine may have the same cgroup parent, so a group
 * that nothing here tells of is removed when it is empty and left alone otherwise.
 */
export async function clearOrphans(
  services: ClearOrphansNeeds,
  rows: ReadonlySet<string>,
  strays: Strays,
): Promise<void> {
  const { paths, layers, cgroups, cgroupParent, runs, log } = services;
  runs.emptyTrash();
  const lost = orphans(list(paths.containers), rows).filter((id) => strays.keeps(`containers/${id}`));
  const known = new Set([...rows, ...lost]);
  const withRun = orphans(list(paths.runs), known);
  const withLayer = orphans(list(paths.containers), known);
  const own = new Set([...withRun, ...withLayer]);
  for (const id of orphans(cgroups.containersIn(cgroupParent), known)) {
    const group = cgroups.groupOf(cgroupParent, id);
    if (own.has(id)) await cgroups.kill(group);
    else if (cgroups.isParentShared) continue;
    else if (cgroups.pids(group).length > 0) {
      log.warn({ cgroup: group }, 'a cgroup of another engine: give each engine a --cgroup-parent of its own');
      continue;
    }
    await cgroups.remove(group);
  }
  // Last: until then they say whose the groups are.
  for (const id of withRun) runs.remove(id);
  for (const id of withLayer) layers.remove(id);
}

function orphans(ids: readonly string[], known: ReadonlySet<string>): string[] {
  return ids.filter((id) => idPattern.test(id) && !known.has(id));
}

function list(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}
