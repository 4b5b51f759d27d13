// What a build gives its RUN steps to live with, judged by what they see of it.
import { expect } from 'vitest';
import { contextTar } from '../../harness/build/build-files.ts';
import { ownTest, useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();

/** What a RUN step prints, with parameters of POST /build. */
async function stepOutput(command: string, parameters: Record<string, string>): Promise<string> {
  const files = { Dockerfile: `FROM busybox\nRUN ${command}\n` };
  const built = await fixture.own.send(contextTar(files), new URLSearchParams({ nocache: '1', ...parameters }));
  return built.error ?? built.output;
}

/** The first of them that is there: by cgroup v1 or v2. */
const value = (...files: string[]) =>
  `cat ${files.map((file) => `/sys/fs/cgroup/${file}`).join(' ')} 2>/dev/null || true`;

ownTest('memory, weight and processors', async () => {
  const memory = value('memory/memory.limit_in_bytes', 'memory.max');
  expect(await stepOutput(memory, { memory: String(64 << 20) })).toBe(`${64 << 20}\n`);
  const quota = value('cpu/cpu.cfs_quota_us', 'cpu.max');
  expect(await stepOutput(quota, { cpuquota: '50000', cpuperiod: '100000' })).toMatch(/^50000/);
  expect(await stepOutput(value('cpuset/cpuset.cpus', 'cpuset.cpus'), { cpusetcpus: '0' })).toBe('0\n');
});

ownTest('a step that takes more memory than it has is killed, and that is said', async () => {
  const more = await stepOutput('tail -c 100000000 /dev/zero | wc -c && dd if=/dev/zero of=/dev/null bs=90M count=1', {
    memory: String(8 << 20),
    memswap: String(8 << 20),
  });
  expect(more).toMatch(/returned a non-zero code: 137/);
});

ownTest('limits of processes, shared memory and hosts', async () => {
  const ulimits = JSON.stringify([{ Name: 'nofile', Soft: 100, Hard: 200 }]);
  expect(await stepOutput('ulimit -n; ulimit -Hn', { ulimits })).toBe('100\n200\n');
  expect(await stepOutput('df -k /dev/shm | tail -1 | awk "{print \\$2}"', { shmsize: String(3 << 20) })).toBe(
    '3072\n',
  );
  expect(await stepOutput('grep given /etc/hosts', { extrahosts: 'given:192.0.2.7' })).toMatch(
    /^192\.0\.2\.7\s+given\n$/,
  );
});

ownTest('rights: what it may not gain, and no network at all', async () => {
  const privileges = 'grep NoNewPrivs /proc/self/status';
  expect(await stepOutput(privileges, { securityopt: '["no-new-privileges"]' })).toMatch(/1\n$/);
  expect(await stepOutput('ls /sys/class/net', { networkmode: 'none' })).toBe('lo\n');
});
