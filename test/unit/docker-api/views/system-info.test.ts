// Docker's facts about a host and an engine.
import { expect, test } from 'vitest';
import { systemInfoView } from '../../../../daemon/docker-api/views/system-info.ts';
import { seenSystem } from '../seen-system.ts';

test('counts, and what a host does not say', () => {
  expect(systemInfoView(seenSystem)).toMatchObject({
    ...{ ID: 'engine', Containers: 6, ContainersRunning: 2, ContainersPaused: 1, ContainersStopped: 3, Images: 4 },
    ...{ OperatingSystem: 'Linux', OSVersion: '12', Architecture: 'x86_64', SystemTime: '1970-01-01T00:00:00.000Z' },
    ...{ CgroupVersion: '2', SwapLimit: false, IPv4Forwarding: true, BridgeNfIptables: false, NFd: 30, HttpProxy: '' },
    ...{ Labels: ['a=b'], Warnings: ['WARNING: No AppArmor support'] },
    SecurityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'],
  });
});

test('registries: the mirrors are those of docker.io, and hosts without TLS are named', () => {
  expect(systemInfoView(seenSystem).RegistryConfig).toEqual({
    InsecureRegistryCIDRs: ['127.0.0.0/8'],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: ['https://m/'], Secure: true, Official: true },
      'r:5000': { Name: 'r:5000', Mirrors: [], Secure: false, Official: false },
    },
    Mirrors: ['https://m/'],
  });
});

test('security options are those that the host has', () => {
  const { cgroups, host } = seenSystem;
  const old = { ...seenSystem, cgroups: { ...cgroups, version: 1 as const }, host: { ...host, hasSeccomp: false } };
  expect(systemInfoView(old)).toMatchObject({ SecurityOptions: [], CgroupVersion: '1' });
});
