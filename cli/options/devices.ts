// Devices of a container and limits on its block devices.
import { posix } from 'node:path';
import { parseSizeBytes } from '../../daemon/protocols/units/size.ts';
import { CliError } from '../errors.ts';
import { cut, parseCsvLine } from './csv.ts';

export interface DeviceMapping {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}

const isMode = (text: string) => /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;

/** `/dev/a[:/dev/b][:rwm]`. */
export function parseDevice(text: string): DeviceMapping {
  const parts = text.split(':');
  const [source = ''] = parts;
  if (parts.length > 3 || source === '') throw new CliError(`bad format for path: ${text}`);
  let inside = source;
  let permissions = 'rwm';
  if (parts.length === 3) {
    permissions = parts[2] ?? '';
    if (!isMode(permissions)) throw new CliError(`bad mode specified: ${permissions}`);
    inside = parts[1] ?? '';
  } else if (parts.length === 2 && isMode(parts[1] ?? '')) permissions = parts[1] ?? '';
  else if (parts.length === 2) inside = parts[1] ?? '';
  if (!inside.startsWith('/')) throw new CliError(`${inside} is not an absolute path`);
  const clean = parts.length === 3 ? inside : posix.normalize(inside).replace(/(.)\/$/, '$1');
  return { PathOnHost: inside === source ? clean : source, PathInContainer: clean, CgroupPermissions: permissions };
}

/** `vendor.com/class=name`: a device of the Container Device Interface. */
export function isCdiDevice(text: string): boolean {
  return /^[A-Za-z0-9.\-_]+\/[A-Za-z0-9.\-_]+=[A-Za-z0-9.\-_:]+$/.test(text);
}

export function validateDeviceRule(text: string): string {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text))
    throw new Error(`invalid device cgroup format '${text}'`);
  return text;
}

function splitDevice(text: string): [string, string] {
  const [path, rest] = cut(text, ':');
  if (rest === undefined || rest.includes(':')) throw new Error(`bad format: ${text}`);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${text}`);
  return [path, rest];
}

export interface ThrottleDevice {
  Path: string;
  Rate: number;
}

export function parseBytesRate(text: string): ThrottleDevice {
  const [Path, rate] = splitDevice(text);
  try {
    return { Path, Rate: parseSizeBytes(rate) };
  } catch {
    throw new Error(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    );
  }
}

export function parseOperationsRate(text: string): ThrottleDevice {
  const [Path, rate] = splitDevice(text);
  if (!/^\d{1,15}$/.test(rate)) {
    throw new Error(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>. Number must be a positive integer`,
    );
  }
  return { Path, Rate: Number(rate) };
}

export function parseWeight(text: string): { Path: string; Weight: number } {
  const [Path, weight] = splitDevice(text);
  const value = Number(weight);
  if (!/^\d{1,5}$/.test(weight) || (value > 0 && (value < 10 || value > 1000))) {
    throw new Error(`invalid weight for device: ${text}`);
  }
  return { Path, Weight: value };
}

export interface DeviceRequest {
  Driver: string;
  Count: number;
  DeviceIDs: string[] | null;
  Capabilities: string[][];
  Options: Record<string, string>;
}

/** `all`, a count, or `device=…,capabilities=…`. */
export function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = { Driver: '', Count: 0, DeviceIDs: null, Capabilities: [], Options: {} };
  const seen = new Set<string>();
  for (const field of parseCsvLine(text)) {
    const [first, second] = cut(field, '=');
    const key = second === undefined ? 'count' : first;
    const value = second ?? first;
    if (seen.has(key)) throw new Error(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (key === 'driver') request.Driver = value;
    else if (key === 'count') request.Count = parseGpuCount(value);
    else if (key === 'device') request.DeviceIDs = value.split(',');
    else if (key === 'capabilities') request.Capabilities = [[...value.split(','), 'gpu']];
    else if (key === 'options') {
      request.Options = Object.fromEntries(
        parseCsvLine(value).map((option) => cut(option, '=').map((part) => part ?? '')),
      );
    } else throw new Error(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has('count') && !request.DeviceIDs) request.Count = 1;
  if (request.Capabilities.length === 0) request.Capabilities = [['gpu']];
  return request;
}

function parseGpuCount(text: string): number {
  if (text === 'all') return -1;
  if (/^[+-]?\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
}
