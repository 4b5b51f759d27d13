// Nodes of --device as the container meets them.
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { KernelContainer } from './kernel-container.ts';

test('belong to whom they belong on the host', async () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'tsd-devices-'));
  const node = path.join(scratch, 'node');
  try {
    execFileSync('mknod', ['-m', '640', node, 'c', '1', '3']);
    chownSync(node, 12, 34);
    const devices = [{ PathOnHost: node, PathInContainer: '/dev/sub/node', CgroupPermissions: 'rw' }];
    await using container = new KernelContainer('stat -c "%t:%T %u:%g %a" /dev/sub/node /dev/null', {
      hostConfig: { Devices: devices },
    });
    expect((await container.run()).output).toBe('1:3 12:34 640\n1:3 0:0 666\n');
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test('are in a tmpfs of the user’s over /dev too, and can be used there', async () => {
  const look =
    'stat -c %t:%T /dev/null /dev/zap; echo x >/dev/zap && head -c 2 /dev/zero | wc -c; ls /dev; touch /dev/new 2>&1';
  const devices = [{ PathOnHost: '/dev/null', PathInContainer: '/dev/zap', CgroupPermissions: 'rw' }];
  const names = 'core\nfd\nfull\nnull\nptmx\nrandom\nstderr\nstdin\nstdout\ntty\nurandom\nzap\nzero\n';
  for (const [options, end] of [
    ['', ''],
    ['ro', 'touch: /dev/new: Read-only file system\n'],
  ] as const) {
    await using container = new KernelContainer(look, { hostConfig: { Devices: devices, Tmpfs: { '/dev': options } } });
    expect((await container.run()).output).toBe(`1:3\n1:3\n2\n${names}${end}`);
  }
});
