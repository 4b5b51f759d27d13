// Monitors that somebody has stopped (SIGSTOP), or that hang: they keep what they are the parents of from being gone.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { closeFd } from '../../../native-bindings/files.ts';
import { pidfdOpen, pidfdSendSignal } from '../../../native-bindings/process.ts';
import { readStartedRecord } from '../../runtime/exit-record.ts';
import type { Container } from '../container.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type StoppedMonitorsNeeds = Needs<'log.warn' | 'paths.execRun' | 'paths.run'>;

const { SIGCONT, SIGKILL } = constants.signals;

/** The container's and those of its execs. */
export function wakeMonitors(services: StoppedMonitorsNeeds, container: Container): void {
  signalMonitors(services, container, SIGCONT);
}

/** The last resort: nothing is recorded of how their processes ended. */
export function endMonitors(services: StoppedMonitorsNeeds, container: Container): void {
  signalMonitors(services, container, SIGKILL);
}

function signalMonitors({ paths, log }: StoppedMonitorsNeeds, container: Container, signal: number): void {
  const runs = [
    [container.id, paths.run(container.id)] as const,
    ...[...container.execs.keys()].map((id) => [id, paths.execRun(container.id, id)] as const),
  ];
  for (const [id, runDir] of runs) {
    try {
      const pid = readStartedRecord(runDir)?.monitor;
      if (pid !== undefined && signalMonitor(pid, id, signal)) {
        log.warn(
          { container: container.id, name: container.record.name, monitor: pid, signal },
          'a monitor does not let its processes go: signalled',
        );
      }
    } catch (error) {
      log.warn(
        { err: error, container: container.id, name: container.record.name, runDir },
        'cannot signal a monitor that holds its processes: its container stays',
      );
    }
  }
}

/** By pidfd, after a look at who it is: it may have ended, and its number be another's. */
function signalMonitor(pid: number, id: string, signal: number): boolean {
  let fd: number;
  try {
    fd = pidfdOpen(pid);
  } catch {
    return false;
  }
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'latin1') !== `tsdocker-monitor\0${id}\0`) return false;
    return pidfdSendSignal(fd, signal);
  } catch {
    return false;
  } finally {
    closeFd(fd);
  }
}
