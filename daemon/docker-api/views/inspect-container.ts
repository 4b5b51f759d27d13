// Docker's object for one container.
import type { HealthState } from '../../containers/health/health-rules.ts';
import type { InspectedContainer } from '../../containers/seen/seen-container.ts';
import type { ContainerInspectResponse, ContainerState, Health } from '../../docker-types/container.ts';
import { formatTime } from '../../protocols/units/rfc3339.ts';
import { inspectedBody } from '../../spec/docker/to-docker.ts';
import { mountPoints } from './mount-points.ts';
import { networkSettings } from './network-settings.ts';

const driver = 'overlay2';

export function inspectView(container: InspectedContainer): ContainerInspectResponse {
  const { record, state, files, layer, sizes, runningExecIds } = container;
  const command = record.spec.process.args;
  const links = container.links.map(({ name, alias }) => `/${name}:/${record.name}/${alias}`);
  // What a start makes has no place before the first.
  const madeByStart = (path: string) => (container.hasStarted ? path : '');
  return {
    Id: record.id,
    Created: formatTime(BigInt(record.createdNs)),
    Path: command[0] ?? '',
    Args: command.slice(1),
    State: stateView(container),
    Image: record.imageId,
    ResolvConfPath: madeByStart(files.resolvConf),
    HostnamePath: madeByStart(files.hostname),
    HostsPath: madeByStart(files.hosts),
    LogPath: madeByStart(files.log),
    Name: `/${record.name}`,
    RestartCount: state.restartCount,
    Driver: driver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: runningExecIds.length === 0 ? null : [...runningExecIds],
    ...inspectedBody(record.body, links.length === 0 ? null : links),
    GraphDriver: {
      Name: driver,
      Data: layer ? { LowerDir: layer.lower.join(':'), UpperDir: layer.upper, WorkDir: layer.work } : null,
    },
    ...(sizes && { SizeRw: sizes.writtenBytes, SizeRootFs: sizes.imageBytes + sizes.writtenBytes }),
    Mounts: mountPoints(container),
    NetworkSettings: networkSettings(container),
  };
}

function stateView({ state, isRunning }: InspectedContainer): ContainerState {
  return {
    Status: state.status,
    Running: isRunning || state.status === 'restarting',
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: formatTime(BigInt(state.startedNs)),
    FinishedAt: formatTime(BigInt(state.finishedNs)),
    ...(state.health === undefined ? {} : { Health: healthView(state.health) }),
  };
}

function healthView({ status, failingStreak, log }: HealthState): Health {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ startNs, endNs, exitCode, output }) => ({
      Start: formatTime(BigInt(startNs)),
      End: formatTime(BigInt(endNs)),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}
