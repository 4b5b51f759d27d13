// What docker's clients see of containers, out of our own data.
import { expect, test, vi } from 'vitest';
import type { ContainerState } from '../../../../daemon/containers/lifecycle/container-state.ts';
import type { ListedContainer } from '../../../../daemon/containers/seen/seen-container.ts';
import { inspectView } from '../../../../daemon/docker-api/views/inspect-container.ts';
import { summaryView, usageView } from '../../../../daemon/docker-api/views/list-containers.ts';
import type { NetworkRecord } from '../../../../daemon/networks/network-record.ts';
import { specOf } from '../../spec/spec-of.ts';
import { seenId as id, inspected, listed } from '../seen-containers.ts';

const second = 1_000_000_000n;
const startedNs = 1_700_000_000n * second;
const running: Partial<ContainerState> = { status: 'running', pid: 7, startedNs: String(startedNs) };

const bridge: NetworkRecord = {
  ...{ id: 'b'.repeat(64), name: 'bridge', created: '', driver: 'bridge' },
  ...{ isIpv4Enabled: true, isIpv6Enabled: false, isInternal: false, isAttachable: false },
  ...{ ipamOptions: null, ipamConfig: [], options: {}, labels: {} },
  pools: [{ family: 4, subnet: '172.17.0.0/16', gateway: '172.17.0.1', auxiliary: [] }],
};
const onBridge: ListedContainer['sandbox'] = {
  sandboxId: 's'.repeat(64),
  connections: [
    {
      network: bridge,
      endpoint: { networkId: bridge.id, endpointId: 'e', interfaceName: 'eth0', mac: '02:42', ipv4: '172.17.0.2' },
    },
  ],
  ports: [
    {
      ...{ containerId: id, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 },
      ...{ containerIp: '172.17.0.2', containerPort: 80 },
    },
  ],
};

const logTo = (warn: (fields: object, message: string) => void) => ({ debug: warn, info: warn, warn, error: warn });
const noLog = logTo(() => expect.unreachable());
const spec = specOf({}, { Image: 'nginx', Cmd: ['sh', '-c', 'a b'], ExposedPorts: { '80/tcp': {}, '53/udp': {} } });

test('a running container in a list', () => {
  const container = listed({ spec, createdNs: String(startedNs) }, running, {
    ...{ sandbox: onBridge, imageName: 'nginx', linkNames: [{ by: 'front', alias: 'back' }] },
  });
  const shown = summaryView(noLog, container, startedNs + 3n * second);
  expect(shown).toMatchObject({
    ...{ Id: id, Names: ['/front/back', '/web'], Image: 'nginx', ImageID: 'sha256:0', Command: "sh -c 'a b'" },
    ...{ Created: 1_700_000_000, State: 'running', Status: 'Up 3 seconds' },
    Ports: [
      { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { PrivatePort: 53, Type: 'udp' },
    ],
    NetworkSettings: {
      Networks: { bridge: { NetworkID: bridge.id, IPAddress: '172.17.0.2', Gateway: '172.17.0.1', IPPrefixLen: 16 } },
    },
  });
  expect(shown).not.toHaveProperty('SizeRw');
});

test('a list leaves sizes of nothing out, and a name that means another image', () => {
  const sized = (writtenBytes: number, imageBytes: number) =>
    summaryView(noLog, listed({}, {}, { sizes: { writtenBytes, imageBytes } }), 0n);
  expect(sized(5, 10)).toMatchObject({ Image: 'sha256:0', SizeRw: 5, SizeRootFs: 15, Status: 'Created', Ports: [] });
  expect(Object.keys(sized(0, 10))).not.toContain('SizeRw');
  expect(Object.keys(sized(0, 0))).not.toContain('SizeRootFs');
  const used = { ...listed({}, {}, { sizes: { writtenBytes: 5, imageBytes: 10 } }), usedBytes: 0 };
  expect(usageView(noLog, used, 0n)).toMatchObject({ SizeRw: 0, SizeRootFs: 15 });
  expect(usageView(noLog, { ...used, usedBytes: undefined }, 0n)).toMatchObject({ SizeRw: 5 });
});

test('one that is being removed says so only when it has ended', () => {
  const state = (isRunning: boolean) =>
    summaryView(noLog, listed({}, isRunning ? running : { status: 'exited' }, { isRemoving: true }), 0n).State;
  expect([state(true), state(false)]).toEqual(['running', 'removing']);
});

test('a damaged record is told, and shown with what is certain', () => {
  const warn = vi.fn();
  const shown = summaryView(
    logTo(warn),
    listed({ createdNs: 'x' }, {}, { sizes: { writtenBytes: 5, imageBytes: 0 } }),
    0n,
  );
  expect(shown).toMatchObject({ Id: id, Names: ['/web'], Created: 0, Status: 'created', SizeRw: 5 });
  expect(warn).toHaveBeenCalledOnce();
});

test('inspect of a running container', () => {
  const container = listed({ spec }, { ...running, health: { status: 'healthy', failingStreak: 0, log: [] } });
  const shown = inspectView(
    inspected(
      { ...container, sandbox: onBridge },
      {
        ...{ links: [{ name: 'db', alias: 'd' }], runningExecIds: ['x'], sizes: { writtenBytes: 0, imageBytes: 9 } },
        layer: { lower: ['/1', '/2'], upper: '/u', work: '/w' },
      },
    ),
  );
  expect(shown).toMatchObject({
    ...{
      Path: 'sh',
      Args: ['-c', 'a b'],
      LogPath: '/d',
      HostsPath: '/d/hosts',
      ExecIDs: ['x'],
      SizeRw: 0,
      SizeRootFs: 9,
    },
    State: { Running: true, Pid: 7, StartedAt: '2023-11-14T22:13:20Z', FinishedAt: '0001-01-01T00:00:00Z' },
    HostConfig: { Links: ['/db:/web/d'] },
    GraphDriver: { Data: { LowerDir: '/1:/2', UpperDir: '/u', WorkDir: '/w' } },
    NetworkSettings: {
      ...{ SandboxID: 's'.repeat(64), SandboxKey: '/proc/7/ns/net', IPAddress: '172.17.0.2', Bridge: '' },
      Ports: { '53/udp': null, '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }] },
    },
  });
  expect(shown.State.Health).toEqual({ Status: 'healthy', FailingStreak: 0, Log: [] });
});

test('what a start makes has no place before the first', () => {
  const shown = inspectView(inspected(listed()));
  expect(shown).toMatchObject({ LogPath: '', HostsPath: '', ExecIDs: null, GraphDriver: { Data: null } });
  expect(shown.HostConfig.Links).toBeNull();
  expect(shown).not.toHaveProperty('SizeRw');
  const { bridge: shownBridge } = shown.NetworkSettings.Networks;
  expect(shownBridge).toMatchObject({ NetworkID: '', IPAddress: '', DNSNames: null });
});

test('the name of the default bridge is shown when it was asked for', () => {
  const settings = { isIccEnabled: true, isMasqueraded: true, hostIp: '', interfacePrefix: 'eth' };
  const shown = (isNameAsked: boolean) =>
    inspectView(inspected(listed({}, running), { defaultBridge: { ...settings, name: 'br0', isNameAsked } }));
  expect(shown(true).NetworkSettings.Bridge).toBe('br0');
  expect(shown(false).NetworkSettings.Bridge).toBe('');
});
