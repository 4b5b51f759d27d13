// What a running container has of the network, in its run directory: enough for a daemon that finds it running. It lives as long as the
// kernel's state does (the directory goes with a reboot), so it is not synced: a crash of the daemon loses nothing that was written.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EndpointState } from './endpoint.ts';
import type { PublishedPort } from './kernel/published-port.ts';

export interface SandboxRecord {
  sandboxId: string;
  endpoints: EndpointState[];
  ports: PublishedPort[];
}

const sizeLimitBytes = 16 * 1024 * 1024;

export function writeSandboxFile(directory: string, record: SandboxRecord): void {
  const path = join(directory, 'network');
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** undefined when there is none, or none that can be read. */
export function readSandboxFile(directory: string): SandboxRecord | undefined {
  try {
    const text = readFileSync(join(directory, 'network'), 'utf8');
    if (text.length > sizeLimitBytes) return undefined;
    const record = JSON.parse(text) as SandboxRecord;
    return Array.isArray(record.endpoints) && Array.isArray(record.ports) ? record : undefined;
  } catch {
    return undefined;
  }
}
