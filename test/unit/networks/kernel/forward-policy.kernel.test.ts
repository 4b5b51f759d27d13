// Beside other firewalls that drop what is forwarded: docker's chains in iptables, firewalld.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ForwardPolicy } from '../../../../daemon/networks/kernel/forward-policy.ts';
import { enterOwnNetwork, nft } from '../../../harness/own-network.ts';

const isRoot = process.getuid?.() === 0;

const runs = (program: string) => {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const hasIptables = runs('iptables-nft');

describe.skipIf(!isRoot || !hasIptables)('forwarding beside other firewalls (needs root and iptables-nft)', () => {
  let policy: ForwardPolicy;
  const iptables = (program: string, words: string) => execFileSync(program, words.split(' '), { encoding: 'utf8' });

  beforeAll(() => {
    enterOwnNetwork();
    policy = new ForwardPolicy('tsdocker test');
  });

  afterAll(() => policy[Symbol.dispose]());

  it('does nothing on a host without other firewalls', async () => {
    expect(await policy.allow('br0')).toEqual([]);
    expect(nft('list ruleset')).toBe('');
  });

  it('only reports a policy that it has no place to change', async () => {
    iptables('iptables-nft', '-P FORWARD DROP');
    expect(await policy.allow('br0')).toEqual([
      'table ip filter drops forwarded packets by policy: bridge br0 needs rules there',
    ]);
    expect(iptables('iptables-nft', '-S')).not.toContain('br0');
  });

  it('lets its bridges through DOCKER-USER, once, and leaves it as it was', async () => {
    for (const [program, address] of [
      ['iptables-nft', '192.0.2.9'],
      ['ip6tables-nft', '2001:db8::9'],
    ] as const) {
      iptables(program, '-N DOCKER-USER');
      iptables(program, `-A DOCKER-USER -s ${address} -j RETURN`);
      iptables(program, '-I FORWARD -j DOCKER-USER');
    }
    const before = iptables('iptables-nft', '-S');
    expect(await policy.allow('br0')).toEqual([]);
    await policy.allow('br0');
    await policy.allow('br1');
    const rules = iptables('iptables-nft', '-S DOCKER-USER');
    expect(rules.match(/-A DOCKER-USER -i br0 -m comment --comment "tsdocker test br0" -j ACCEPT/g)).toHaveLength(1);
    expect(rules.match(/-A DOCKER-USER -o br0 -m comment --comment "tsdocker test br0" -j ACCEPT/g)).toHaveLength(1);
    expect(rules.indexOf('br0')).toBeLessThan(rules.indexOf('192.0.2.9'));
    expect(iptables('ip6tables-nft', '-S DOCKER-USER')).toContain('-i br0 ');
    await policy.forget('br0');
    expect(iptables('iptables-nft', '-S')).toContain('br1');
    await policy.forget('br1');
    expect(iptables('iptables-nft', '-S')).toBe(before);
  });

  it('puts a bridge in the trusted zone of firewalld', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsdocker-firewalld-'));
    const path = process.env.PATH;
    try {
      const calls = join(directory, 'calls');
      writeFileSync(join(directory, 'firewall-cmd'), `#!/bin/sh\necho "$@" >>${calls}\n`);
      chmodSync(join(directory, 'firewall-cmd'), 0o755);
      process.env.PATH = `${directory}:${path}`;
      nft('add table inet firewalld');
      await policy.allow('br0');
      await policy.forget('br0');
      expect(readFileSync(calls, 'utf8')).toBe(
        '--zone=trusted --change-interface=br0\n--zone=trusted --remove-interface=br0\n',
      );
    } finally {
      process.env.PATH = path;
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
