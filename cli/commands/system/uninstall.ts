// `system uninstall`: ends the daemon and takes away what it made on this host, then says what stays. It never removes the package: npm does
// that, and it has to be there until the end.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerSummary } from '../../../daemon/docker-types/container.ts';
import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { defineCommand, none } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError } from '../../errors.ts';
import { isConfirmed } from './prune.ts';

const unit = 'tsdocker.service';
const unitFile = `/etc/systemd/system/${unit}`;
const configDirectory = '/etc/tsdocker';
const logFile = '/var/log/tsdockerd.log';
const defaultExecRoot = '/run/tsdocker';
const endLimitMs = 30_000;
const namesShown = 5;

export const uninstall = defineCommand({
  usage: '[OPTIONS]',
  short: 'Stop the daemon and remove what it made on this host',
  flags: {
    purge: boolFlag('purge', 'Remove images, containers and volumes too: the whole data root'),
    stop: boolFlag('stop', 'Stop containers that run (default: refuse)'),
    force: boolFlag('force,f', 'Do not prompt for confirmation'),
    'exec-root': stringFlag('exec-root', "The daemon's --exec-root", { initial: defaultExecRoot }),
    pidfile: stringFlag('pidfile', "The daemon's --pidfile", { initial: `${defaultExecRoot}/tsdocker.pid` }),
  },
  arguments: none,
  async run({ cli, flags }) {
    if (process.getuid?.() !== 0) throw new CliError('uninstall: only root can remove what the daemon made');
    if (!cli.options.host.startsWith('unix://'))
      throw new CliError(`uninstall: ${cli.options.host} may be another machine: name a unix socket of this one`);
    const running = await cli.client.get<ContainerSummary[]>('/containers/json');
    if (running.length > 0 && !flags.stop) throw new CliError(refusal(running));
    const { DockerRootDir: dataRoot } = await cli.client.get<{ DockerRootDir: string }>('/info');
    const pid = daemonPid(flags.pidfile);
    checkMark(flags['exec-root'], 'lock');
    if (flags.purge) checkMark(dataRoot, 'state.db');
    const question = `WARNING! This will end the daemon${flags.purge ? ` and remove everything in ${dataRoot}` : ''}.`;
    if (!flags.force && !(await isConfirmed(cli, `${question}\nAre you sure you want to continue?`))) return 0;

    await Promise.all(running.map(({ Id }) => cli.client.post(`/containers/${Id}/stop`)));
    if (flags.purge) await removeContainersAndNetworks(cli);
    cli.client.close();
    await endDaemon(pid);
    const removed = [flags['exec-root']];
    if (flags.purge) removed.push(dataRoot);
    removeTrees(removed);
    // What the default daemon has outside its directories is not another one's to remove.
    if (flags['exec-root'] === defaultExecRoot) removed.push(...removeDefaults());
    for (const path of removed) cli.out.line(`removed ${path}`);
    tellWhatStays(cli, dataRoot);
    return 0;
  },
});

function refusal(running: readonly ContainerSummary[]): string {
  const names = running.slice(0, namesShown).map(({ Id, Names }) => Names[0]?.replace(/^\//, '') ?? Id.slice(0, 12));
  const more = running.length > namesShown ? ` and ${running.length - namesShown} more` : '';
  const plural = running.length === 1 ? 'a container runs' : `${running.length} containers run`;
  return `uninstall: ${plural} (${names.join(', ')}${more}): stop them first, or let --stop do it`;
}

/** The daemon of a pidfile; a number that was given to another process since is an error. */
function daemonPid(pidfile: string): number {
  try {
    const pid = Number.parseInt(readFileSync(pidfile, 'latin1'), 10);
    if (/tsdockerd|daemon\/main\.ts/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))) return pid;
  } catch {
    // Told below.
  }
  throw new CliError(`uninstall: ${pidfile} does not name a daemon that runs: name its --pidfile`);
}

/** Containers' own bridges and rules go with them; networks that nobody is on would stay in the kernel. */
async function removeContainersAndNetworks(cli: Cli): Promise<void> {
  for (const { Id } of await cli.client.get<ContainerSummary[]>('/containers/json', { all: '1' }))
    await cli.client.delete(`/containers/${Id}`, { force: '1' });
  await cli.client.post('/networks/prune', {});
}

/** By systemd where it started it, which would start it again. */
async function endDaemon(pid: number): Promise<void> {
  const isUnit = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .some((line) => line.endsWith(`/${unit}`));
  if (isUnit) execFileSync('systemctl', ['-q', 'disable', '--now', unit], { stdio: ['ignore', 'ignore', 'inherit'] });
  else process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + endLimitMs;
  while (existsSync(`/proc/${pid}`)) {
    if (Date.now() > deadline) throw new CliError(`uninstall: the daemon (${pid}) does not end: nothing was removed`);
    await sleep(20);
  }
}

/** Only a directory of the daemon's is removed, which a file in it proves. */
function checkMark(path: string, mark: string): void {
  if (existsSync(join(path, mark))) return;
  throw new CliError(`uninstall: ${path} is no directory of tsdockerd: it has no ${mark}`);
}

/** What is mounted in them is left alone; what cannot be removed, rm has named. */
function removeTrees(paths: readonly string[]): void {
  const args = ['-rf', '--one-file-system', '--', ...paths];
  const { status } = spawnSync('rm', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0)
    throw new CliError(`uninstall: the daemon has ended, and not all of ${paths.join(' and ')} could be removed`);
}

function removeDefaults(): string[] {
  const there = [unitFile, logFile].filter((path) => existsSync(path));
  for (const path of there) rmSync(path);
  if (there.includes(unitFile) && existsSync('/run/systemd/system')) execFileSync('systemctl', ['daemon-reload']);
  return there;
}

function tellWhatStays(cli: Cli, dataRoot: string): void {
  if (existsSync(dataRoot)) cli.out.line(`${dataRoot} stays, with images, containers and volumes: --purge removes it`);
  if (existsSync(configDirectory)) cli.out.line(`${configDirectory} stays: it is yours`);
  cli.out.line(`the package stays: ${packageRemoval()}`);
}

/** How the installation that runs is removed: by npm, which put it there, or with its clone. */
function packageRemoval(): string {
  for (let directory = dirname(process.argv[1] ?? '/'); directory !== '/'; directory = dirname(directory)) {
    if (!existsSync(join(directory, 'package.json'))) continue;
    if (existsSync(join(directory, 'package-lock.json'))) return `it is the clone in ${directory}`;
    const binaries = `tsdocker-linux-${process.arch}`;
    const isApart = existsSync(join(directory, '..', binaries));
    return `npm uninstall -g tsdocker${isApart ? ` ${binaries}` : ''}`;
  }
  return 'npm uninstall -g tsdocker';
}
