// The firewall's table as nft(8), which we did not write, reads it from the kernel; and what becomes of it when others change rules.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Firewall } from '../../../../daemon/networks/kernel/firewall.ts';
import { bridgeElements, portElements } from '../../../../daemon/networks/kernel/firewall-elements.ts';
import type { PublishedPort } from '../../../../daemon/networks/kernel/published-port.ts';
import { enterOwnNetwork, nft } from '../../../harness/own-network.ts';

const isRoot = process.getuid?.() === 0;
const isSameNft = isRoot && nft('--version').includes('v1.0.6');
const table = 'tsdocker-test';
const port = (hostIp: string, hostPort: number, containerIp: string, containerId = 'c1'): PublishedPort => ({
  containerId,
  protocol: 'tcp',
  hostIp,
  hostPort,
  containerIp,
  containerPort: 80,
});
const bridge = { name: 'br0', networkId: 'n1', isInternal: false, isIccEnabled: false, isMasqueraded: true };

describe.skipIf(!isRoot)('the firewall', () => {
  let firewall: Firewall;
  const list = () => nft(`list table inet ${table}`);

  beforeAll(() => {
    enterOwnNetwork();
    firewall = new Firewall(table, 'whose it is');
  });

  afterAll(() => firewall[Symbol.dispose]());

  // Versions of nft differ in how they print the same.
  it.skipIf(!isSameNft)('is read by nft as it is meant (needs nft 1.0.6)', async () => {
    await firewall.replace([]);
    const ports = [
      port('0.0.0.0', 8080, '172.17.0.2'),
      port('127.0.0.1', 8081, '172.17.0.2'),
      port('::', 8080, 'fd00::2'),
      port('fd00:1::1', 8081, 'fd00::2'),
    ];
    await firewall.apply({ add: [...bridgeElements(bridge), ...ports.flatMap(portElements)] });
    expect(list()).toBe(readFileSync(new URL('ruleset.nft', import.meta.url), 'utf8'));
  });

  it('keeps what several ports share until the last of them goes', async () => {
    await firewall.apply({ remove: portElements(port('0.0.0.0', 8080, '172.17.0.2')) });
    expect(list()).toContain('172.17.0.2 . 172.17.0.2');
    await firewall.apply({ remove: portElements(port('127.0.0.1', 8081, '172.17.0.2')) });
    expect(list()).not.toContain('172.17.0.2');
  });

  it('takes what is there already, or gone already, for no error', async () => {
    const elements = portElements(port('0.0.0.0', 90, '172.17.0.3'));
    const before = list();
    await firewall.apply({ add: elements });
    await firewall.apply({ add: elements });
    await firewall.apply({ remove: elements });
    await firewall.apply({ remove: elements });
    await firewall.apply({ remove: elements });
    expect(list()).toBe(before);
  });

  it('leads a port to the container that had it last', async () => {
    await firewall.apply({ add: portElements(port('0.0.0.0', 91, '172.17.0.3')) });
    await firewall.apply({ add: portElements(port('0.0.0.0', 91, '172.17.0.4', 'c2')) });
    expect(list()).toMatch(/tcp \. 91 comment "container c2" : 172\.17\.0\.4 \. 80/);
  });

  it.each([
    ['all rules are flushed', 'flush ruleset'],
    ['its rules are flushed', `flush table inet ${table}`],
    ['one rule chain is flushed', `flush chain inet ${table} forward`],
    ['a set is emptied', `flush set inet ${table} bridges`],
    ['an element is deleted', `delete element inet ${table} bridges { br0 }`],
    ['an element is added', `add element inet ${table} internal { br9 }`],
  ])('is put back at the next change after %s', async (_what, words) => {
    const before = list();
    nft(words);
    const elements = portElements(port('0.0.0.0', 92, '172.17.0.3'));
    await firewall.apply({ add: elements });
    await firewall.apply({ remove: elements });
    expect(sorted(list())).toBe(sorted(before));
  });

  it('notices only changes, and repairs nothing that is whole', async () => {
    await firewall.check();
    expect(await firewall.check()).toEqual({ isForeign: false, isRepaired: false });
    nft('add table ip somebody');
    expect(await firewall.check()).toEqual({ isForeign: true, isRepaired: false });
    expect(await firewall.check()).toEqual({ isForeign: false, isRepaired: false });
    nft(`delete table inet ${table}`);
    expect(await firewall.check()).toEqual({ isForeign: true, isRepaired: true });
    expect(nft('list tables')).toContain('somebody');
  });

  it('takes a hundred changes at once while somebody else changes rules as well', async () => {
    const ports = Array.from({ length: 100 }, (_, index) => port('0.0.0.0', 10_000 + index, '172.17.0.9'));
    const changes = ports.map((one) => firewall.apply({ add: portElements(one) }));
    for (let round = 0; round < 5; round++) {
      nft('add table ip noise');
      nft('delete table ip noise');
      await new Promise(setImmediate);
    }
    await Promise.all(changes);
    expect(list().match(/tcp \. 10\d{3} /g)).toHaveLength(100);
    await firewall.apply({ remove: ports.flatMap(portElements) });
    expect(list()).not.toContain('172.17.0.9');
  });
});

/** Elements of a set come in no particular order. */
function sorted(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim().replace(/,$/, ''))
    .sort()
    .join('\n');
}
