// Port keepers of this engine whose socket is gone (its directory was deleted, or is another one now): nobody can speak with them, and the
// ports that they hold would be taken for ever.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { closeFd } from '../../../native-bindings/files.ts';
import { pidfdOpen, pidfdSendSignal } from '../../../native-bindings/process.ts';

const SIGKILL = 9;

/** Returns their pids. */
export function endUnreachableKeepers(engineId: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isKeeper(Number(name), engineId));
  return pids.map(Number).filter((pid) => end(pid, engineId));
}

function isKeeper(pid: number, engineId: string): boolean {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'latin1') !== `tsdocker-ports\0${engineId}\0`) return false;
    // A process can call itself what it likes; it does not run from the engine's memory for that.
    return readlinkSync(`/proc/${pid}/exe`).startsWith('/memfd:tsdocker ');
  } catch {
    return false;
  }
}

/** With the pidfd open the number cannot become another's between the look and the signal. */
function end(pid: number, engineId: string): boolean {
  let fd: number;
  try {
    fd = pidfdOpen(pid);
  } catch {
    return false;
  }
  try {
    return isKeeper(pid, engineId) && pidfdSendSignal(fd, SIGKILL);
  } finally {
    closeFd(fd);
  }
}
