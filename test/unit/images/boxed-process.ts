// A process in a mount and pid namespace of its own whose root is a directory: what a container is to the archive, without an engine.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The root must hold a static busybox at /bin/busybox, and a directory /old. */
export async function startBoxed(
  root: string,
  script = 'exec /bin/busybox sleep 1000',
): Promise<{ pid: number; stop(): Promise<void> }> {
  const inside = `mount --bind "$0" "$0" && cd "$0" && mount -t proc p proc && pivot_root . old && exec /bin/busybox sh -c '/bin/busybox umount -l /old; echo ready; ${script}'`;
  const child = spawn(
    'unshare',
    ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private', 'sh', '-c', inside, root],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', () => reject(new Error('the boxed process did not start')));
  });
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
  return { pid: Number(children[0]), stop: () => stop(child) };
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
