// --device and --device-cgroup-rule as the API has them.
import path from 'node:path';
import type { HostConfig } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { DeviceMapping, DeviceRule } from '../container-spec.ts';

const MAX_DEVICE_NUMBER = 0xffffffff;

/** Throws 'invalid' for paths and words that cannot be; what is there is looked at by who makes the container. */
export function parseDevice(mapping: NonNullable<HostConfig['Devices']>[number]): DeviceMapping {
  const hostPath = mapping.PathOnHost ?? '';
  const containerPath = path.posix.normalize(mapping.PathInContainer || hostPath);
  const access = mapping.CgroupPermissions || 'rwm';
  if (!hostPath.startsWith('/') || !containerPath.startsWith('/')) {
    throw new EngineError('invalid', `device "${hostPath}:${containerPath}": both paths must be absolute`);
  }
  if (!/^[rwm]{1,3}$/.test(access) || new Set(access).size !== access.length) {
    throw new EngineError('invalid', `invalid device mode: ${access}`);
  }
  if (/^\/(dev\/?|proc(\/.*)?|sys(\/.*)?)?$/.test(containerPath)) {
    throw new EngineError('invalid', `device "${hostPath}:${containerPath}": a device cannot have its place there`);
  }
  return { hostPath, containerPath, access };
}

/**
 * `c 42:* rmw` of --device-cgroup-rule; type a is both kinds of devices (to the kernel itself, an `a` would mean everything, whatever
 * the numbers say). Throws EngineError('invalid') in Docker's words.
 */
export function parseDeviceRule(text: string): DeviceRule[] {
  const match = /^([acb]) ([0-9]{1,10}|\*):([0-9]{1,10}|\*) ([rwm]{1,3})$/.exec(text);
  if (match === null) throw new EngineError('invalid', `invalid device cgroup rule format: '${text}'`);
  const [, type, major, minor, access] = match as unknown as [string, 'a' | 'b' | 'c', string, string, string];
  const number = (word: string): number | 'all' => {
    if (word === '*') return 'all';
    const value = Number(word);
    if (value > MAX_DEVICE_NUMBER) throw new EngineError('invalid', `invalid device number ${word} in rule '${text}'`);
    return value;
  };
  const types: readonly ('b' | 'c')[] = type === 'a' ? ['b', 'c'] : [type];
  return types.map((kind) => ({ type: kind, major: number(major), minor: number(minor), access }));
}
