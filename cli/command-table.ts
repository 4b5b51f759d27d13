// All commands: what they are called, one line on each, and how they are loaded. Texts are docker's.
import type { Command } from './command.ts';

export interface CommandEntry {
  /** Without the program's name: `container ls`. */
  path: string;
  short: string;
  load(): Promise<Command>;
  /** Place among the common commands of the help. */
  rank?: number;
  /** Other names, paths too. */
  aliases?: readonly string[];
  hidden?: true;
}

export const titles = { common: 'Common Commands', groups: 'Management Commands', rest: 'Commands' };

export const groups: Record<string, string> = {
  builder: 'Manage builds',
  container: 'Manage containers',
  image: 'Manage images',
  manifest: 'Look at images at their registries',
  network: 'Manage networks',
  system: 'Manage tsdocker',
  volume: 'Manage volumes',
};

type Names = { top?: string; group?: string; aliases?: readonly string[]; rank?: number };

/** One command under its name at the top, in a group, or both. */
function entry(short: string, names: Names, load: () => Promise<Command>): CommandEntry[] {
  const entries: CommandEntry[] = [];
  if (names.top !== undefined) {
    entries.push({ path: names.top, short, load, ...(names.rank === undefined ? {} : { rank: names.rank }) });
  }
  if (names.group !== undefined) {
    entries.push({ path: names.group, short, load, ...(names.aliases ? { aliases: names.aliases } : {}) });
  }
  return entries;
}

/** A command of containers, called the same at the top and in the group. */
function container(name: string, short: string, load: () => Promise<Command>, rank?: number): CommandEntry[] {
  return entry(short, { top: name, group: `container ${name}`, ...(rank === undefined ? {} : { rank }) }, load);
}

export const commands: readonly CommandEntry[] = [
  container('attach', 'Attach local standard input, output, and error streams to a running container', () =>
    import('./commands/containers/attach.ts').then((m) => m.attach),
  ),
  entry(
    'Build an image from a Dockerfile',
    { top: 'build', group: 'image build', aliases: ['builder build'], rank: 4 },
    () => import('./commands/images/build.ts').then((m) => m.build),
  ),
  entry('Remove build cache', { group: 'builder prune' }, () =>
    import('./commands/system/prune.ts').then((m) => m.pruneBuilder),
  ),
  container('commit', "Create a new image from a container's changes", () =>
    import('./commands/containers/commit.ts').then((m) => m.commit),
  ),
  container('cp', 'Copy files/folders between a container and the local filesystem', () =>
    import('./commands/containers/cp.ts').then((m) => m.cp),
  ),
  container('create', 'Create a new container', () => import('./commands/containers/create.ts').then((m) => m.create)),
  container('diff', "Inspect changes to files or directories on a container's filesystem", () =>
    import('./commands/containers/diff.ts').then((m) => m.diff),
  ),
  entry('Show tsdocker disk usage', { group: 'system df' }, () =>
    import('./commands/system/system-df.ts').then((m) => m.systemDf),
  ),
  entry('Get real time events from the server', { top: 'events', group: 'system events' }, () =>
    import('./commands/system/events.ts').then((m) => m.events),
  ),
  container(
    'exec',
    'Execute a command in a running container',
    () => import('./commands/containers/exec.ts').then((m) => m.exec),
    2,
  ),
  entry('Explain what a container is made of, down to the system calls', { top: 'explain' }, () =>
    import('./commands/containers/explain.ts').then((m) => m.explain),
  ),
  container('export', "Export a container's filesystem as a tar archive", () =>
    import('./commands/containers/export.ts').then((m) => m.exportContainer),
  ),
  entry('Show the history of an image', { top: 'history', group: 'image history' }, () =>
    import('./commands/images/history.ts').then((m) => m.history),
  ),
  entry('List images', { top: 'images', rank: 7 }, () => import('./commands/images/images.ts').then((m) => m.images)),
  entry(
    'Import the contents from a tarball to create a filesystem image',
    { top: 'import', group: 'image import' },
    () => import('./commands/images/import.ts').then((m) => m.importImage),
  ),
  entry('Display system-wide information', { top: 'info', group: 'system info', rank: 12 }, () =>
    import('./commands/system/info.ts').then((m) => m.info),
  ),
  entry('Display detailed information on one or more containers', { group: 'container inspect' }, () =>
    import('./commands/system/inspect.ts').then((m) => m.inspectContainer),
  ),
  entry('Display detailed information on one or more images', { group: 'image inspect' }, () =>
    import('./commands/system/inspect.ts').then((m) => m.inspectImage),
  ),
  entry('Return low-level information on Docker objects', { top: 'inspect' }, () =>
    import('./commands/system/inspect.ts').then((m) => m.inspect),
  ),
  container('kill', 'Kill one or more running containers', () =>
    import('./commands/containers/kill.ts').then((m) => m.kill),
  ),
  entry('Load an image from a tar archive or STDIN', { top: 'load', group: 'image load' }, () =>
    import('./commands/images/load.ts').then((m) => m.load),
  ),
  entry('Authenticate to a registry', { top: 'login', rank: 8 }, () =>
    import('./commands/registry/login.ts').then((m) => m.login),
  ),
  entry('Log out from a registry', { top: 'logout', rank: 9 }, () =>
    import('./commands/registry/logout.ts').then((m) => m.logout),
  ),
  container('logs', 'Fetch the logs of a container', () => import('./commands/containers/logs.ts').then((m) => m.logs)),
  entry(
    'List containers',
    { top: 'ps', group: 'container ls', aliases: ['container list', 'container ps'], rank: 3 },
    () => import('./commands/containers/ps.ts').then((m) => m.ps),
  ),
  entry('List images', { group: 'image ls', aliases: ['image list'] }, () =>
    import('./commands/images/images.ts').then((m) => m.images),
  ),
  entry('Connect a container to a network', { group: 'network connect' }, () =>
    import('./commands/networks/network-connect.ts').then((m) => m.networkConnect),
  ),
  entry('Create a network', { group: 'network create' }, () =>
    import('./commands/networks/network-create.ts').then((m) => m.networkCreate),
  ),
  entry('Disconnect a container from a network', { group: 'network disconnect' }, () =>
    import('./commands/networks/network-connect.ts').then((m) => m.networkDisconnect),
  ),
  entry('Display detailed information on one or more networks', { group: 'network inspect' }, () =>
    import('./commands/system/inspect.ts').then((m) => m.inspectNetwork),
  ),
  entry('List networks', { group: 'network ls', aliases: ['network list'] }, () =>
    import('./commands/networks/network-ls.ts').then((m) => m.networkLs),
  ),
  entry('Remove all unused networks', { group: 'network prune' }, () =>
    import('./commands/system/prune.ts').then((m) => m.pruneNetworks),
  ),
  entry('Remove one or more networks', { group: 'network rm', aliases: ['network remove'] }, () =>
    import('./commands/networks/network-rm.ts').then((m) => m.networkRm),
  ),
  entry('Display the digest, type, size and platforms of an image at its registry', { group: 'manifest inspect' }, () =>
    import('./commands/registry/manifest.ts').then((m) => m.manifestInspect),
  ),
  container('pause', 'Pause all processes within one or more containers', () =>
    import('./commands/containers/pause.ts').then((m) => m.pause),
  ),
  container('port', 'List port mappings or a specific mapping for the container', () =>
    import('./commands/containers/port.ts').then((m) => m.port),
  ),
  entry('Remove all stopped containers', { group: 'container prune' }, () =>
    import('./commands/system/prune.ts').then((m) => m.pruneContainers),
  ),
  entry('Remove unused images', { group: 'image prune' }, () =>
    import('./commands/system/prune.ts').then((m) => m.pruneImages),
  ),
  entry('Download an image from a registry', { top: 'pull', group: 'image pull', rank: 5 }, () =>
    import('./commands/registry/pull.ts').then((m) => m.pull),
  ),
  entry('Upload an image to a registry', { top: 'push', group: 'image push', rank: 6 }, () =>
    import('./commands/registry/push.ts').then((m) => m.push),
  ),
  container('rename', 'Rename a container', () => import('./commands/containers/rename.ts').then((m) => m.rename)),
  container('restart', 'Restart one or more containers', () =>
    import('./commands/containers/stop.ts').then((m) => m.restart),
  ),
  entry('Remove one or more containers', { top: 'rm', group: 'container rm', aliases: ['container remove'] }, () =>
    import('./commands/containers/rm.ts').then((m) => m.rm),
  ),
  entry('Remove one or more images', { top: 'rmi', group: 'image rm', aliases: ['image remove'] }, () =>
    import('./commands/images/rmi.ts').then((m) => m.rmi),
  ),
  container(
    'run',
    'Create and run a new container from an image',
    () => import('./commands/containers/run.ts').then((m) => m.run),
    1,
  ),
  entry(
    'Save one or more images to a tar archive (streamed to STDOUT by default)',
    { top: 'save', group: 'image save' },
    () => import('./commands/images/save.ts').then((m) => m.save),
  ),
  entry('Search Docker Hub for images', { top: 'search', rank: 10 }, () =>
    import('./commands/registry/search.ts').then((m) => m.search),
  ),
  container('start', 'Start one or more stopped containers', () =>
    import('./commands/containers/start.ts').then((m) => m.start),
  ),
  container('stats', 'Display a live stream of container(s) resource usage statistics', () =>
    import('./commands/containers/stats.ts').then((m) => m.stats),
  ),
  container('stop', 'Stop one or more running containers', () =>
    import('./commands/containers/stop.ts').then((m) => m.stop),
  ),
  entry('Remove unused data', { group: 'system prune' }, () =>
    import('./commands/system/prune.ts').then((m) => m.pruneSystem),
  ),
  entry('Stop the daemon and remove what it made on this host', { group: 'system uninstall' }, () =>
    import('./commands/system/uninstall.ts').then((m) => m.uninstall),
  ),
  entry('Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE', { top: 'tag', group: 'image tag' }, () =>
    import('./commands/images/tag.ts').then((m) => m.tag),
  ),
  container('top', 'Display the running processes of a container', () =>
    import('./commands/containers/top.ts').then((m) => m.top),
  ),
  container('unpause', 'Unpause all processes within one or more containers', () =>
    import('./commands/containers/pause.ts').then((m) => m.unpause),
  ),
  container('update', 'Update configuration of one or more containers', () =>
    import('./commands/containers/update.ts').then((m) => m.update),
  ),
  entry('Show the tsdocker version information', { top: 'version', rank: 11 }, () =>
    import('./commands/system/version.ts').then((m) => m.version),
  ),
  entry('Create a volume', { group: 'volume create' }, () =>
    import('./commands/volumes/volume.ts').then((m) => m.createVolume),
  ),
  entry('Display detailed information on one or more volumes', { group: 'volume inspect' }, () =>
    import('./commands/system/inspect.ts').then((m) => m.inspectVolume),
  ),
  entry('List volumes', { group: 'volume ls', aliases: ['volume list'] }, () =>
    import('./commands/volumes/volume.ts').then((m) => m.listVolumes),
  ),
  entry('Remove unused local volumes', { group: 'volume prune' }, () =>
    import('./commands/volumes/volume.ts').then((m) => m.pruneVolumes),
  ),
  entry('Remove one or more volumes', { group: 'volume rm', aliases: ['volume remove'] }, () =>
    import('./commands/volumes/volume.ts').then((m) => m.removeVolumes),
  ),
  container('wait', 'Block until one or more containers stop, then print their exit codes', () =>
    import('./commands/containers/wait.ts').then((m) => m.wait),
  ),
].flat();

/** Docker's commands that this version lacks, with what is missing. */
const missing: readonly (readonly [paths: readonly string[], what: string])[] = [
  [['build', 'builder', 'buildx', 'image build'], 'is not there yet: this engine has no builder'],
  [['checkpoint'], 'is not there yet: containers cannot be checkpointed'],
  [['compose'], 'is not there: docker-compose works with this engine when DOCKER_HOST names its socket'],
  [
    ['context'],
    "is not there: docker's contexts are used (--context, DOCKER_CONTEXT, currentContext), not made or changed",
  ],
  [['plugin'], 'is not there: this engine has no plugins'],
  [['trust'], 'is not there: signatures are not checked; pin an image by its digest'],
  [
    ['config', 'node', 'secret', 'service', 'stack', 'swarm'],
    'is not there: this engine runs on a single host, without swarm',
  ],
];

export type Lookup =
  | { kind: 'command'; entry: CommandEntry; rest: string[] }
  | { kind: 'group'; group: string; rest: string[] }
  | { kind: 'missing'; path: string; missing: string; rest: string[] }
  | { kind: 'unknown'; rest: string[] };

/** The command that the words begin with. */
export function findCommand(words: readonly string[]): Lookup {
  const [first = '', second = ''] = words;
  for (const length of [2, 1]) {
    const path = length === 2 ? `${first} ${second}` : first;
    const rest = words.slice(length);
    const found = commands.find((entry) => entry.path === path || entry.aliases?.includes(path));
    if (found) return { kind: 'command', entry: found, rest };
    const absent = missing.find(([paths]) => paths.includes(path));
    if (absent && words.length >= length) return { kind: 'missing', path, missing: absent[1], rest };
  }
  if (Object.hasOwn(groups, first)) return { kind: 'group', group: first, rest: words.slice(1) };
  return { kind: 'unknown', rest: [...words] };
}
