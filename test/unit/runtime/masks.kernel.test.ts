// Masked paths where the user has mounted something over /proc or /sys.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import { KernelContainer } from './kernel-container.ts';

async function run(script: string, hostConfig: HostConfig): Promise<string> {
  await using container = new KernelContainer(script, { hostConfig });
  return (await container.run()).output;
}

test('a /sys of the user’s without them needs no masks', async () => {
  expect(await run('ls /sys; stat -c %t:%T /proc/keys', { Tmpfs: { '/sys': '' } })).toBe('1:3\n');
});

test('a directory of the host as /sys is masked where it has such paths', async () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'tsd-masks-'));
  try {
    mkdirSync(path.join(scratch, 'firmware/acpi'), { recursive: true });
    expect(await run('ls /sys /sys/firmware', { Binds: [`${scratch}:/sys`] })).toBe(
      '/sys:\nfirmware\n\n/sys/firmware:\n',
    );
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test('the /proc and /sys of the host are masked as the container’s own', async () => {
  const output = await run('stat -c %t:%T /proc/keys; ls /proc/acpi /sys/firmware', {
    Binds: ['/proc:/proc', '/sys:/sys'],
  });
  expect(output).toBe('1:3\n/proc/acpi:\n\n/sys/firmware:\n');
});
