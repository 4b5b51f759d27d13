// What a running container has of the network, in its run directory: enough for a daemon that finds it running. It lives as long as the
// kernel's state does (the directory goes with a reboot), so it is not synced: a crash of the daemon loses nothing that was written.
// Another version of the engine may have written it, or a disk that was full: every entry is looked at before it is believed.
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { EndpointState } from './endpoint.ts';
import type { PublishedPort } from './kernel/published-port.ts';

export interface SandboxRecord {
  sandboxId: string;
  endpoints: EndpointState[];
  ports: PublishedPort[];
}

/** A note that has been read. `damaged` says what of it could not be believed and was left out. */
export interface ReadSandbox {
  record: SandboxRecord;
  damaged: string[];
}

/** What the fields mean. One that is added can be missing; one that changes its meaning needs the next number. */
const version = 1;
const sizeLimitBytes = 16 * 1024 * 1024;
const idPattern = /^[0-9a-f]{64}$/;

export function writeSandboxFile(directory: string, record: SandboxRecord): void {
  const path = join(directory, 'network');
  writeFileSync(`${path}.new`, JSON.stringify({ version, ...record }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** undefined when there is none: the container has no network of this engine's, or was started before it had any. */
export function readSandboxFile(directory: string): ReadSandbox | undefined {
  let text: string;
  try {
    const path = join(directory, 'network');
    if (statSync(path).size > sizeLimitBytes) return nothing('it is too large');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? undefined : nothing(`it cannot be read: ${code}`);
  }
  return parseSandbox(text);
}

/** Pure: whatever the text, what can be believed of it. */
export function parseSandbox(text: string): ReadSandbox {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return nothing('it is no JSON');
  }
  if (!isObject(found)) return nothing('it is no object');
  if (typeof found.version === 'number' && found.version > version) {
    return nothing(`it has version ${found.version}, and this engine knows ${version}`);
  }
  const damaged: string[] = [];
  const sandboxId = typeof found.sandboxId === 'string' && idPattern.test(found.sandboxId) ? found.sandboxId : '';
  if (sandboxId === '') damaged.push('sandboxId');
  return {
    record: {
      sandboxId,
      endpoints: entries(found.endpoints, 'endpoints', isEndpoint, damaged),
      ports: entries(found.ports, 'ports', isPort, damaged),
    },
    damaged,
  };
}

function nothing(why: string): ReadSandbox {
  return { record: { sandboxId: '', endpoints: [], ports: [] }, damaged: [why] };
}

function entries<T>(list: unknown, name: string, isGood: (value: unknown) => value is T, damaged: string[]): T[] {
  if (!Array.isArray(list)) {
    damaged.push(name);
    return [];
  }
  return list.filter((value: unknown, index): value is T => {
    const good = isGood(value);
    if (!good) damaged.push(`${name}[${index}]`);
    return good;
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEndpoint(value: unknown): value is EndpointState {
  if (!isObject(value)) return false;
  const { networkId, endpointId, interfaceName, mac, ipv4, ipv6 } = value;
  return (
    isText(networkId, idPattern) &&
    isText(endpointId, idPattern) &&
    isText(interfaceName, /^[^/\s]{1,15}$/) &&
    isText(mac, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/) &&
    (ipv4 === undefined || isAddress(ipv4, 4)) &&
    (ipv6 === undefined || isAddress(ipv6, 6))
  );
}

function isPort(value: unknown): value is PublishedPort {
  if (!isObject(value)) return false;
  const { containerId, protocol, hostIp, hostPort, containerIp, containerPort } = value;
  return (
    isText(containerId, idPattern) &&
    isText(protocol, /^(tcp|udp|sctp)$/) &&
    isAddress(hostIp) &&
    isAddress(containerIp) &&
    isPortNumber(hostPort) &&
    isPortNumber(containerPort)
  );
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value);
}

function isAddress(value: unknown, family?: 4 | 6): boolean {
  const found = typeof value === 'string' ? isIP(value) : 0;
  return family === undefined ? found !== 0 : found === family;
}

function isPortNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65536;
}
