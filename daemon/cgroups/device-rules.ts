// Which device nodes a container may make and open: Docker's defaults, --device, --device-cgroup-rule and --privileged.
// The order matters: later rules win over earlier ones, and what no rule names is denied.
import { EngineError } from '../errors/engine-error.ts';
import type { AllowedDevice } from './resources.ts';

/** A rule; 'all' stands for every number, type 'a' for both kinds of devices. */
export interface DeviceRule {
  allow: boolean;
  type: 'a' | 'b' | 'c';
  major: number | 'all';
  minor: number | 'all';
  /** Some of r (read), w (write), m (mknod). */
  access: string;
}

export interface DeviceRuleSource {
  Privileged?: boolean | undefined;
  DeviceCgroupRules?: string[] | null | undefined;
}

const allow = (type: 'b' | 'c', major: number | 'all', minor: number | 'all', access = 'rwm'): DeviceRule => ({
  allow: true,
  type,
  major,
  minor,
  access,
});

/**
 * What every container may use. Making any node is allowed, since opening it is not; the rest are the nodes of a container's own /dev.
 */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  allow('c', 'all', 'all', 'm'),
  allow('b', 'all', 'all', 'm'),
  allow('c', 1, 3), // null
  allow('c', 1, 5), // zero
  allow('c', 1, 7), // full
  allow('c', 1, 8), // random
  allow('c', 1, 9), // urandom
  allow('c', 5, 0), // tty
  allow('c', 5, 1), // console
  allow('c', 5, 2), // ptmx
  allow('c', 136, 'all'), // pts/*
];

const MAX_RULES = 1024;
const MAX_DEVICE_NUMBER = 0xffffffff;

/** The rules of a container; undefined when nothing is filtered (--privileged). */
export function deviceRules(source: DeviceRuleSource, devices: readonly AllowedDevice[]): DeviceRule[] | undefined {
  const custom = (source.DeviceCgroupRules ?? []).map(parseDeviceRule);
  if (devices.length + custom.length > MAX_RULES) {
    throw new EngineError('invalid', `more than ${MAX_RULES} device rules`);
  }
  if (source.Privileged) return undefined;
  const passed = devices.map(({ type, major, minor, permissions }) =>
    allow(type === 'b' ? 'b' : 'c', major, minor, permissions),
  );
  return [...DEFAULT_DEVICE_RULES, ...passed, ...custom];
}

/** `c 42:* rmw` of --device-cgroup-rule. Throws EngineError('invalid') in Docker's words. */
export function parseDeviceRule(text: string): DeviceRule {
  const match = /^([acb]) ([0-9]{1,10}|\*):([0-9]{1,10}|\*) ([rwm]{1,3})$/.exec(text);
  if (match === null) throw new EngineError('invalid', `invalid device cgroup rule format: '${text}'`);
  const [, type, major, minor, access] = match as unknown as [string, 'a' | 'b' | 'c', string, string, string];
  const number = (word: string): number | 'all' => {
    if (word === '*') return 'all';
    const value = Number(word);
    if (value > MAX_DEVICE_NUMBER) throw new EngineError('invalid', `invalid device number ${word} in rule '${text}'`);
    return value;
  };
  return { allow: true, type, major: number(major), minor: number(minor), access };
}

/** A rule as devices.allow and devices.deny of cgroup v1 take it. */
export function formatDeviceRule({ type, major, minor, access }: DeviceRule): string {
  if (type === 'a' && major === 'all' && minor === 'all' && access.length === 3) return 'a';
  const number = (value: number | 'all') => (value === 'all' ? '*' : `${value}`);
  return `${type} ${number(major)}:${number(minor)} ${access}`;
}
