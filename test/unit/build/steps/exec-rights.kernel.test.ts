// What a step can reach: its network, the host's when that is allowed, and more rights when those are.
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LayersResult } from '../../../../daemon/build/steps/step.ts';
import { ip } from '../../../harness/own-network.ts';
import { ExecRig, noSettings, type StepOptions } from './exec-rig.ts';

let rig: ExecRig;
beforeAll(async () => {
  rig = await ExecRig.open();
});
afterEach(async () => {
  await rig.step.settled();
  expect(rig.leftovers()).toEqual([]);
  expect(rig.warnings).toEqual([]);
});
afterAll(async () => {
  expect(await rig.close()).toEqual([]);
  expect(ip('-o link')).not.toMatch(/veth|tsd/);
});

const address = 'ip -o -4 addr show eth0 | sed "s/.*inet \\([0-9.]*\\).*/\\1/"';
/** A layer that was renamed has no digest yet; one that was copied has. */
const isCopied = ({ top }: LayersResult) => rig.storage.layers.get(top as number).diffId !== '';

async function one(command: string, options: StepOptions): Promise<LayersResult> {
  const [result] = await rig.run(command, options);
  if (result === undefined) throw new Error('no result');
  return result;
}

describe('the network', () => {
  it('is an endpoint on the default bridge, which reaches the host', async () => {
    const server = createServer((socket) => socket.end('hello\n'));
    await new Promise<void>((resolve) => server.listen(8080, '0.0.0.0', resolve));
    const text = await rig.output(
      `${address}; ip route | head -n 1; nc $(ip route | sed -n "s/default via \\([0-9.]*\\).*/\\1/p") 8080 </dev/null`,
    );
    expect(text).toMatch(/^172\.\d+\.\d+\.\d+\ndefault via 172\.\d+\.\d+\.1 dev eth0 \nhello\n$/);
    await new Promise((resolve) => server.close(resolve));
  });

  it("is the next step's, and nobody else's at the same time", async () => {
    const first = await rig.output(address);
    expect(await rig.output(address)).toBe(first);
    const several = await Promise.all([1, 2, 3, 4, 5, 6].map(() => rig.output(`${address}; sleep 0.5`)));
    expect(new Set(several).size).toBe(6);
  });

  it('has nothing of what the step before it listened on', async () => {
    await rig.output('(nc -l -p 7000 &) ; sleep 0.2');
    expect(await rig.output('nc 127.0.0.1 7000 </dev/null 2>&1 || echo nobody')).toContain('nobody');
  });

  it('none: loopback alone', async () => {
    expect(await rig.output('ip -o link | wc -l; ip -o link show lo | grep -c UP', { network: 'none' })).toBe('1\n1\n');
    expect(await rig.output('ip -o link | wc -l', { settings: { network: { kind: 'none' } } })).toBe('1\n');
  });

  it('host: only when the build has it or may, and the files are copied then', async () => {
    await expect(rig.run('true', { network: 'host' })).rejects.toMatchObject({
      code: 'forbidden',
      message: 'network.host is not allowed',
    });
    using whole = await one('ip -o link | grep -q tsdocker0 && echo x > /x', {
      settings: { network: { kind: 'host' } },
    });
    expect(rig.ownFiles(whole)).toEqual(['/x']);
    expect(isCopied(whole)).toBe(true);
    using step = await one('ip -o link | grep -q tsdocker0', {
      network: 'host',
      settings: { entitlements: ['network.host'] },
    });
    expect(isCopied(step)).toBe(true);
    using other = await one('true', { settings: { network: { kind: 'bridge' } } });
    expect(isCopied(other)).toBe(false);
  });

  it("a named one, and none that is not there or is a container's", async () => {
    const { Id } = await rig.networks.service.create({ Name: 'mine', IPAM: { Config: [{ Subnet: '10.77.0.0/24' }] } });
    expect(
      await rig.output(`${address}; cat /etc/resolv.conf`, { settings: { network: { kind: 'network', ref: 'mine' } } }),
    ).toMatch(/^10\.77\.0\.\d+\nnameserver 127\.0\.0\.11\n/);
    await rig.step.settled();
    // No step keeps a network that somebody may want to remove.
    await rig.networks.service.remove(Id);
    await expect(rig.run('true', { settings: { network: { kind: 'network', ref: 'nowhere' } } })).rejects.toMatchObject(
      {
        code: 'not-found',
      },
    );
    await expect(rig.run('true', { settings: { network: { kind: 'container', ref: 'x' } } })).rejects.toMatchObject({
      code: 'invalid',
    });
  });
});

describe('rights', () => {
  it('more of them only where they are allowed, and the files are copied then', async () => {
    await expect(rig.run('true', { security: 'insecure' })).rejects.toMatchObject({
      code: 'forbidden',
      message: 'security.insecure is not allowed',
    });
    using made = await one('mount -t tmpfs x /tmp && echo 1 > /proc/sys/net/ipv4/ip_forward && echo x > /x', {
      security: 'insecure',
      settings: { entitlements: ['security.insecure'] },
    });
    expect(rig.ownFiles(made)).toEqual(['/x']);
    expect(isCopied(made)).toBe(true);
  });

  it("a network that somebody with rights had is nobody's afterwards", async () => {
    const settings = { entitlements: ['security.insecure'] } as const;
    await rig.output('ip addr add 10.9.9.9/24 dev eth0', { security: 'insecure', settings });
    for (let n = 0; n < 5; n++) expect(await rig.output('ip -o -4 addr')).not.toContain('10.9.9.9');
  });

  it("security options are docker's", async () => {
    const seccomp = 'grep Seccomp: /proc/self/status';
    using open = await one(seccomp, {
      settings: { security: { ...noSettings.security, seccomp: { kind: 'unconfined' } } },
    });
    expect(isCopied(open)).toBe(true);
    expect(
      await rig.output(seccomp, {
        settings: { security: { ...noSettings.security, seccomp: { kind: 'unconfined' } } },
      }),
    ).toBe('Seccomp:\t0\n');
    expect(
      await rig.output('grep NoNewPrivs /proc/self/status', {
        settings: { security: { ...noSettings.security, noNewPrivileges: true } },
      }),
    ).toBe('NoNewPrivs:\t1\n');
  });

  it('limits are those of the control group', async () => {
    const settings = { memoryBytes: 64 * 1024 * 1024, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, cpusetCpus: '0' };
    const text = await rig.output(
      'grep Cpus_allowed_list /proc/self/status; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true',
      { settings },
    );
    expect(text).toBe('Cpus_allowed_list:\t0\n67108864\n');
    await expect(rig.run('true', { settings: { memoryBytes: 1000 } })).rejects.toThrow(/Minimum memory limit/);
    const cgroupParent = `${rig.cgroupParent}/deep`;
    expect(await rig.output('cat /proc/self/cgroup', { settings: { cgroupParent } })).toContain(`${cgroupParent}/`);
    await rig.step.settled();
    expect(rig.cgroups.children(cgroupParent)).toEqual([]);
    await rig.cgroups.remove(cgroupParent);
  });
});
