// What the daemon's threads do in a container's root, seen from outside by strace: no program is run there, no library or module is opened.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { create, start } from '../harness/containers.ts';
import { eventually } from '../harness/eventually.ts';
import { testNeeding } from '../harness/needs.ts';
import { runCommand } from '../harness/run-command.ts';
import { tarOf } from '../harness/tars.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

testNeeding('strace')('cp, export and commit run nothing and load nothing', async () => {
  const daemon = await TestDaemon.start();
  try {
    const id = await create(daemon, ['sleep', '1000']);
    await start(daemon, id);
    // The first jobs load the workers: what these load then is the engine's own.
    await daemon.api.post(`/commit?container=${id}&repo=before`);
    await Promise.all([1, 2, 3, 4].map(() => daemon.api.send('GET', `/containers/${id}/export`)));
    await daemon.api.send('HEAD', `/containers/${id}/archive?path=/etc`);
    const trace = `${daemon.dir}/trace`;
    const tracer = runCommand(
      'strace',
      ['-f', '-o', trace, '-e', 'trace=execve,open,openat,openat2', '-p', String(daemon.pid)],
      { timeoutMs: 60_000 },
    );
    const tracerPid = await eventually('strace is attached', () => {
      const status = readFileSync(`/proc/${daemon.pid}/status`, 'utf8');
      const found = Number(/^TracerPid:\s+(\d+)/m.exec(status)?.[1]);
      return found > 0 ? found : undefined;
    });
    expect(
      (await daemon.api.send('PUT', `/containers/${id}/archive?path=/tmp`, { raw: tarOf([{ name: 'x', data: 'x' }]) }))
        .status,
    ).toBe(200);
    expect((await daemon.api.send('GET', `/containers/${id}/archive?path=/tmp`)).status).toBe(200);
    expect((await daemon.api.send('GET', `/containers/${id}/export`)).status).toBe(200);
    expect((await daemon.api.send('POST', `/commit?container=${id}&repo=traced`)).status).toBe(201);
    process.kill(tracerPid, 'SIGINT');
    await tracer.catch(() => undefined);
    const lines = readFileSync(trace, 'utf8').split('\n');
    expect(lines.filter((line) => /"x"/.test(line)).length, 'the trace saw the work').toBeGreaterThan(0);
    expect(lines.filter((line) => /execve\(/.test(line))).toEqual([]);
    const opened = lines.filter(
      (line) =>
        /\.(so(\.\d+)*|node|[cm]?js|json|conf|ts)"/.test(line) && !/O_WRONLY|O_CREAT|index\.json|oci-layout/.test(line),
    );
    // Relative names without following are files that are packed; code is loaded by its whole path.
    expect(opened.filter((line) => !line.includes(daemon.dir) && !line.includes('O_NOFOLLOW'))).toEqual([]);
  } finally {
    await daemon.dispose();
  }
});
