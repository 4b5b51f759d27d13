// `builder prune`, `container prune`, `image prune`, `network prune`, `system prune`.
import type { BuildPruned } from '../../../daemon/docker-types/build.ts';
import type { ContainerPruneResponse } from '../../../daemon/docker-types/container-actions.ts';
import type { ImagePruneResponse } from '../../../daemon/docker-types/image.ts';
import { boolFlag, bytesFlag, listFlag } from '../../../daemon/protocols/flags/flag.ts';
import { humanSize } from '../../../daemon/protocols/units/human-units.ts';
import { defineCommand, none } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { filtersQuery, validateFilter } from '../../options/filters.ts';
import { describeDeletion } from '../images/rmi.ts';

const filterFlag = (example: string) =>
  listFlag('filter', `Provide filter values (e.g. "${example}")`, { typeName: 'filter', validate: validateFilter });
const forceFlag = boolFlag('force,f', 'Do not prompt for confirmation');

export const pruneBuilder = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove build cache',
  flags: {
    all: boolFlag('all,a', 'Remove all unused build cache, not just dangling ones'),
    filter: filterFlag('until=24h'),
    force: forceFlag,
    keepStorage: bytesFlag('keep-storage', 'Amount of disk space to keep for cache'),
  },
  arguments: none,
  async run({ cli, flags }) {
    const warning = `WARNING! This will remove all ${flags.all ? '' : 'dangling '}build cache.`;
    if (!flags.force && !(await isConfirmed(cli, `${warning} Are you sure you want to continue?`))) return 0;
    reportSpace(cli, await removeBuildCache(cli, flags.all, flags.filter, flags.keepStorage));
    return 0;
  },
});

export const pruneContainers = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove all stopped containers',
  flags: { filter: filterFlag('until=<timestamp>'), force: forceFlag },
  arguments: none,
  async run({ cli, flags }) {
    const warning = 'WARNING! This will remove all stopped containers.';
    if (!flags.force && !(await isConfirmed(cli, `${warning}\nAre you sure you want to continue?`))) return 0;
    reportSpace(cli, await removeContainers(cli, flags.filter));
    return 0;
  },
});

export const pruneImages = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove unused images',
  flags: {
    all: boolFlag('all,a', 'Remove all unused images, not just dangling ones'),
    filter: filterFlag('until=<timestamp>'),
    force: forceFlag,
  },
  arguments: none,
  async run({ cli, flags }) {
    const what = flags.all ? 'images without at least one container associated to them' : 'dangling images';
    const warning = `WARNING! This will remove all ${what}.`;
    if (!flags.force && !(await isConfirmed(cli, `${warning}\nAre you sure you want to continue?`))) return 0;
    reportSpace(cli, await removeImages(cli, flags.all, flags.filter));
    return 0;
  },
});

export const pruneNetworks = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove all unused networks',
  flags: { filter: filterFlag('until=<timestamp>'), force: forceFlag },
  arguments: none,
  async run({ cli, flags }) {
    const warning = 'WARNING! This will remove all custom networks not used by at least one container.';
    if (!flags.force && !(await isConfirmed(cli, `${warning}\nAre you sure you want to continue?`))) return 0;
    await removeNetworks(cli, flags.filter);
    return 0;
  },
});

export const pruneSystem = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove unused data',
  flags: {
    all: boolFlag('all,a', 'Remove all unused images not just dangling ones'),
    filter: filterFlag('label=<key>=<value>'),
    force: forceFlag,
    volumes: boolFlag('volumes', 'Prune anonymous volumes'),
  },
  arguments: none,
  async run({ cli, flags }) {
    const question = systemWarning(flags.all, flags.volumes, flags.filter);
    if (!flags.force && !(await isConfirmed(cli, question))) return 0;
    let space = await removeContainers(cli, flags.filter);
    await removeNetworks(cli, flags.filter);
    if (flags.volumes) space += await removeVolumes(cli, flags.filter);
    space += await removeImages(cli, flags.all, flags.filter);
    space += await removeBuildCache(cli, flags.all, flags.filter);
    cli.out.line(`Total reclaimed space: ${humanSize(space)}`);
    return 0;
  },
});

function systemWarning(all: boolean, volumes: boolean, filters: readonly string[]): string {
  const items = ['all stopped containers', 'all networks not used by at least one container'];
  if (volumes) items.push('all anonymous volumes not used by at least one container');
  items.push(all ? 'all images without at least one container associated to them' : 'all dangling images');
  items.push(all ? 'all build cache' : 'unused build cache');
  const shown = filters.length > 0 ? `\n  Items to be pruned will be filtered with:\n${list(filters)}` : '';
  return `WARNING! This will remove:\n${list(items)}${shown}\nAre you sure you want to continue?`;
}

function list(items: readonly string[]): string {
  return items.map((item) => `  - ${item}\n`).join('');
}

async function removeContainers(cli: Cli, filters: readonly string[]): Promise<number> {
  const query = { filters: filtersQuery(filters) };
  const answer = await cli.client.post<ContainerPruneResponse>('/containers/prune', { query });
  reportList(cli, 'Deleted Containers:', answer.ContainersDeleted ?? []);
  return answer.SpaceReclaimed;
}

async function removeImages(cli: Cli, all: boolean, filters: readonly string[]): Promise<number> {
  const query = { filters: filtersQuery([...filters, `dangling=${all ? 'false' : 'true'}`]) };
  const answer = await cli.client.post<ImagePruneResponse>('/images/prune', { query });
  const lines = (answer.ImagesDeleted ?? []).map((item) => describeDeletion(item).trimEnd().toLowerCase());
  reportList(cli, 'Deleted Images:', lines);
  return answer.SpaceReclaimed;
}

async function removeNetworks(cli: Cli, filters: readonly string[]): Promise<void> {
  const query = { filters: filtersQuery(filters) };
  const answer = await cli.client.post<{ NetworksDeleted: string[] | null }>('/networks/prune', { query });
  reportList(cli, 'Deleted Networks:', answer.NetworksDeleted ?? []);
}

async function removeVolumes(cli: Cli, filters: readonly string[]): Promise<number> {
  const query = { filters: filtersQuery(filters) };
  const answer = await cli.client.post<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }>('/volumes/prune', {
    query,
  });
  reportList(cli, 'Deleted Volumes:', answer.VolumesDeleted ?? []);
  return answer.SpaceReclaimed;
}

async function removeBuildCache(cli: Cli, all: boolean, filters: readonly string[], keepBytes = 0): Promise<number> {
  const query = {
    all: all ? '1' : undefined,
    filters: filtersQuery(filters),
    // Its names before and since API 1.48.
    'keep-storage': keepBytes || undefined,
    'reserved-space': keepBytes || undefined,
  };
  const answer = await cli.client.post<BuildPruned>('/build/prune', { query });
  reportList(cli, 'Deleted build cache objects:', answer.CachesDeleted ?? []);
  return answer.SpaceReclaimed;
}

export function reportList(cli: Cli, title: string, items: readonly string[]): void {
  if (items.length > 0) cli.out.print(`${title}\n${items.map((item) => `${item}\n`).join('')}\n`);
}

export function reportSpace(cli: Cli, bytes: number): void {
  cli.out.line(`Total reclaimed space: ${humanSize(bytes)}`);
}

/** Anything but y or yes is a no. */
export async function isConfirmed(cli: Cli, question: string): Promise<boolean> {
  cli.out.print(`${question} [y/N] `);
  let answer = '';
  for await (const chunk of process.stdin) {
    answer += String(chunk);
    if (answer.includes('\n') || answer.length > 100) break;
  }
  const [line = ''] = answer.split('\n');
  return /^y(es)?$/i.test(line.trim());
}
