// A disk that is full while a container writes its log.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { afterEach, expect } from 'vitest';
import { runDetached } from '../harness/containers.ts';
import { eventually, sleep } from '../harness/eventually.ts';
import { splitFrames } from '../harness/frames.ts';
import { testNeeding } from '../harness/needs.ts';
import { TestDaemon } from '../harness/test-daemon.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

testNeeding()(
  'what it writes meanwhile is missing, and a line of `logs` says where',
  async () => {
    const dir = mkdtempSync('/tmp/tsdt-');
    cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
    mkdirSync(`${dir}/data`);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tsdt', `${dir}/data`]);
    cleanups.push(() => void execFileSync('umount', ['-l', `${dir}/data`]));
    const daemon = await TestDaemon.start({ dir });
    cleanups.push(() => daemon.dispose());
    const talker = await runDetached(daemon, 'i=0; while :; do echo $i; i=$((i+1)); usleep 2000; done');
    const last = async () => {
      const answer = await daemon.api.send('GET', `/containers/${talker}/logs?stdout=1&stderr=1`);
      return splitFrames(answer.body)
        .frames.map(({ data }) => data.toString())
        .join('')
        .trimEnd()
        .split('\n');
    };
    await eventually('it writes', async () => (await last()).length > 20);
    execFileSync('sh', ['-c', `dd if=/dev/zero of=${dir}/data/fill bs=1k 2>/dev/null; true`]);
    let length = 0;
    await eventually(
      'nothing finds room any more',
      async () => {
        const before = length;
        length = (await last()).length;
        return before === length;
      },
      { everyMs: 500 },
    );
    rmSync(`${dir}/data/fill`);
    await sleep(500);
    const lines = await last();
    const jumps = lines.flatMap((line, i) => {
      const before = lines[i - 1];
      const isMark = line.startsWith('[');
      if (isMark || before === undefined) return [];
      if (before.startsWith('[')) return ['told'];
      return Number(line) === Number(before) + 1 ? [] : [`${before} ${line}`];
    });
    expect(jumps.length).toBeGreaterThan(0);
    expect(new Set(jumps)).toEqual(new Set(['told']));
  },
  40_000,
);
