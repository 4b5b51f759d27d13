// GET /containers/{id}/top: the host's ps, narrowed to the container's processes. Nothing of the container is executed or read.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ContainerTopResponse } from '../docker-types/container-actions.ts';
import { EngineError } from '../errors/engine-error.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import type { Needs } from './needs.ts';
import { type CgroupPathNeeds, cgroupPathOf } from './start/cgroup-path.ts';

/** See needs.ts. */
export type TopContainerNeeds = Needs<'cgroups.pids' | 'store.get'> & CgroupPathNeeds & ContainerEventsNeeds;

const run = promisify(execFile);
const argumentLimit = 64;
const outputLimitBytes = 16 * 1024 * 1024;

export async function topContainer(
  services: TopContainerNeeds,
  ref: string,
  psArgs: string,
): Promise<ContainerTopResponse> {
  const container = services.store.get(ref);
  if (!container.isRunning) throw new EngineError('conflict', `container ${container.id} is not running`);
  const args = psArgs.split(/\s+/).filter((word) => word !== '');
  if (args.length > argumentLimit) throw new EngineError('invalid', `ps arguments: more than ${argumentLimit}`);
  const pids = new Set(services.cgroups.pids(cgroupPathOf(services, container)).map(String));
  const result = parsePs(await ps(args.length === 0 ? ['-ef'] : args), pids);
  publishContainerEvent(services, container, 'top');
  return result;
}

async function ps(args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run('ps', args, {
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', COLUMNS: '10000' },
      maxBuffer: outputLimitBytes,
      timeout: 10_000,
    });
    return stdout;
  } catch (error) {
    const { code, stderr } = error as { code?: string | number; stderr?: string };
    if (code === 'ENOENT') throw new EngineError('system', 'run ps: the host has no ps command (package procps)');
    throw new EngineError('system', `error running ps: ${(stderr ?? '').trim() || String(code)}`, { cause: error });
  }
}

/** Exported for tests. Lines are cut at the number of columns that the title has; the last one keeps its blanks. */
export function parsePs(output: string, pids: ReadonlySet<string>): ContainerTopResponse {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const titles = (lines[0] ?? '').trim().split(/\s+/);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw new EngineError('system', "Couldn't find PID field in ps output");
  const processes: string[][] = [];
  for (const line of lines.slice(1)) {
    const words = line.trim().split(/\s+/);
    if (!pids.has(words[pidColumn] ?? '')) continue;
    const columns = words.slice(0, titles.length - 1);
    const last = words.slice(titles.length - 1).join(' ');
    processes.push([...columns, last]);
  }
  return { Titles: titles, Processes: processes };
}
