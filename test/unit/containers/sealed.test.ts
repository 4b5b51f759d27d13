import { expect, test } from 'vitest';
import type { Container } from '../../../daemon/containers/container.ts';
import { isSealed } from '../../../daemon/containers/start/sealed.ts';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import type { ContainerSpec } from '../../../daemon/spec/container-spec.ts';
import { specOf } from '../spec/spec-of.ts';
import { containerOf } from './container-of.ts';

function container(hostConfig: HostConfig, mounts: object[] = []): Container {
  const spec = { ...specOf(hostConfig), mounts: mounts as ContainerSpec['mounts'] };
  return containerOf({ spec });
}

test('a container with everything of its own has given nothing away', () => {
  expect(isSealed(container({ NetworkMode: 'bridge', PidMode: '', IpcMode: 'private' }))).toBe(true);
  expect(isSealed(container({ NetworkMode: 'none', Devices: [], CapAdd: null }, [{ type: 'tmpfs' }]))).toBe(true);
});

test.each<[string, HostConfig, object[]]>([
  ['a volume', {}, [{ type: 'tmpfs' }, { type: 'volume' }]],
  ['a bind', {}, [{ type: 'bind' }]],
  ['the network of the host', { NetworkMode: 'host' }, []],
  ['the network of another', { NetworkMode: 'container:x' }, []],
  ['the processes of the host', { PidMode: 'host' }, []],
  ['the memory of another', { IpcMode: 'container:x' }, []],
  ['all rights', { Privileged: true }, []],
  ['one right more', { CapAdd: ['SYS_ADMIN'] }, []],
  ['a device', { Devices: [{ PathOnHost: '/dev/fuse' }] }, []],
  ['a device rule', { DeviceCgroupRules: ['b 7:* rwm'] }, []],
  ['another filter', { SecurityOpt: ['seccomp=unconfined'] }, []],
])('with %s it may have', (_what, hostConfig, mounts) => {
  expect(isSealed(container(hostConfig, mounts))).toBe(false);
});

test('one that another has joined may have as well', () => {
  const joined = container({ NetworkMode: 'none' });
  joined.wasShared = true;
  expect(isSealed(joined)).toBe(false);
});
