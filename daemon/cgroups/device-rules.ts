// Which device nodes a container may make and open: Docker's defaults, --device, --device-cgroup-rule and --privileged.
// Rules only allow; what no rule names is denied, and their order has no meaning.
import { EngineError } from '../errors/engine-error.ts';
import type { DeviceRule, DevicesSpec } from '../spec/container-spec.ts';

/** A device that --device passes in, with what is allowed: some of r, w and m. */
export interface AllowedDevice {
  type: string;
  major: number;
  minor: number;
  permissions: string;
}

const rule = (type: 'b' | 'c', major: number | 'all', minor: number | 'all', access = 'rwm'): DeviceRule => ({
  type,
  major,
  minor,
  access,
});

/**
 * What every container may use. Making any node is allowed, since opening it is not; the rest are the nodes of a container's own /dev.
 */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  rule('c', 'all', 'all', 'm'),
  rule('b', 'all', 'all', 'm'),
  rule('c', 1, 3), // null
  rule('c', 1, 5), // zero
  rule('c', 1, 7), // full
  rule('c', 1, 8), // random
  rule('c', 1, 9), // urandom
  rule('c', 5, 0), // tty
  rule('c', 5, 1), // console
  rule('c', 5, 2), // ptmx
  rule('c', 136, 'all'), // pts/*
];

const MAX_RULES = 1024;

/** The rules of a container, one per device; undefined when nothing is filtered. `custom`: beside those of the devices. */
export function deviceRules(
  isPrivileged: boolean,
  custom: DevicesSpec['rules'],
  devices: readonly AllowedDevice[],
): DeviceRule[] | undefined {
  if (devices.length + custom.length > MAX_RULES) {
    throw new EngineError('invalid', `more than ${MAX_RULES} device rules`);
  }
  if (isPrivileged) return undefined;
  const passed = devices.map(({ type, major, minor, permissions }) =>
    rule(type === 'b' ? 'b' : 'c', major, minor, permissions),
  );
  return mergeRules([...DEFAULT_DEVICE_RULES, ...passed, ...custom]);
}

/** One rule for each device: the kernel wants one rule to cover all that an open asks for, so `r` and `w` make `rw`. */
export function mergeRules(rules: readonly DeviceRule[]): DeviceRule[] {
  const merged = new Map<string, DeviceRule>();
  for (const next of rules) {
    const key = `${next.type} ${next.major}:${next.minor}`;
    const access = `${merged.get(key)?.access ?? ''}${next.access}`;
    merged.set(key, { ...next, access: [...'rwm'].filter((letter) => access.includes(letter)).join('') });
  }
  return [...merged.values()];
}

/** A rule as devices.allow of cgroup v1 takes it. */
export function formatDeviceRule({ type, major, minor, access }: DeviceRule): string {
  const number = (value: number | 'all') => (value === 'all' ? '*' : `${value}`);
  return `${type} ${number(major)}:${number(minor)} ${access}`;
}
