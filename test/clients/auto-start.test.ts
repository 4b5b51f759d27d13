// `tsdocker` with no daemon running, and scripts/start: on the default paths, inside a mount namespace where /run, /var/lib and /var/log are
// empty, so that an engine of this machine is not met, and in a network namespace of their own.
import { expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { runCommand } from '../harness/run-command.ts';

const inEmptyHost = (script: string) =>
  runCommand(
    'unshare',
    [
      ...['-m', '-n', '--propagation', 'private', 'sh', '-c'],
      `ip link set lo up || exit 98
      for dir in /run /var/lib /var/log; do mount -t tmpfs tsdt $dir || exit 99; done
      ${script}
      status=$?
      pid=$(cat /run/tsdocker/tsdocker.pid) && kill $pid
      while [ -d /proc/$pid ]; do sleep 0.05; done
      exit $status`,
    ],
    { timeoutMs: 60_000, cwd: projectRoot, env: { DOCKER_HOST: '' } },
  );

test('the first command starts a daemon and says so; the next ones find it', async () => {
  const result = await inEmptyHost(`
    bin/tsdocker ps -q
    echo first done
    scripts/make-image | bin/tsdocker import -c 'CMD ["sh"]' - busybox >/dev/null
    bin/tsdocker run --rm busybox sh -c 'echo inside $$; exit 7'`);
  expect(result.stdout).toBe('first done\ninside 1\n');
  expect(result.stderr).toMatch(/no daemon at unix:\/\/\/run\/tsdocker\/tsdocker\.sock: starting one/);
  expect(result.stderr.match(/starting one/g)).toHaveLength(1);
  expect(result.code).toBe(7);
});

test('scripts/start goes from nothing to one command’s output in a container', async () => {
  const result = await inEmptyHost('scripts/start sh -c "echo from a container; id -u"');
  expect(result, result.stderr).toMatchObject({ code: 0 });
  expect(result.stdout).toBe('from a container\n0\n');
  expect(result.stderr).toMatch(/starting one/);
});

test('explain run prints the spec, the groups and every call; nothing is left of it', async () => {
  const result = await inEmptyHost(`
    scripts/make-image | bin/tsdocker import - busybox >/dev/null
    bin/tsdocker explain run --rm -m 64m busybox true
    bin/tsdocker ps -aq`);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  for (const word of ['clone3', 'pivot_root', 'capset', 'seccomp', 'execve', '67108864', 'memory'])
    expect(result.stdout).toContain(word);
});
