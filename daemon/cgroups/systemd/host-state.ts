// Whether the host is going down, as far as its init system tells.
import { isSystemdRunning, SystemdManager } from './systemd-manager.ts';

/** False where systemd does not run, and when it does not answer. */
export async function isHostGoingDown(): Promise<boolean> {
  if (!isSystemdRunning()) return false;
  using manager = new SystemdManager();
  // Awaited here: the connection ends with this function.
  return await manager.isStopping().catch(() => false);
}
