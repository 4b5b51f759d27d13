// The state of a container changes only through the token that its lock hands out.
import { expect, test } from 'vitest';
import { Container, type LockedContainer } from '../../../../daemon/containers/container.ts';
import { unreadableRecord } from '../../../../daemon/containers/container-record.ts';
import { newState } from '../../../../daemon/containers/lifecycle/container-state.ts';

function created(): Container {
  const record = unreadableRecord({ id: 'c'.repeat(64), name: 'c', createdNs: '1', imageId: 'sha256:0' });
  return new Container(record, newState());
}

const launched = { kind: 'launched', pid: 1, run: { startedNs: 1n, cgroupPath: '/p', hasProbe: false } } as const;

test('one at a time, in the order in which they asked', async () => {
  const container = created();
  const order: string[] = [];
  const slow = container.locked(async () => {
    order.push('a begins');
    await new Promise((resolve) => setTimeout(resolve, 10));
    order.push('a ends');
  });
  const failing = container.locked(() => {
    order.push('b');
    throw new Error('no');
  });
  const last = container.locked(() => void order.push('c'));
  await slow;
  await expect(failing).rejects.toThrow('no');
  await last;
  expect(order).toEqual(['a begins', 'a ends', 'b', 'c']);
});

test('what means nothing changes nothing', async () => {
  const container = created();
  await container.locked((held) => {
    const before = container.state;
    expect(held.apply({ kind: 'paused' })).toBeUndefined();
    expect(() => held.mustApply({ kind: 'paused' })).toThrow('paused: container cccc');
    expect(container.state).toBe(before);
    expect(held.mustApply(launched)).toEqual({ kind: 'nothing' });
    expect(container.state.status).toBe('running');
  });
});

test('a token that was kept is worth nothing once the lock is let go', async () => {
  const container = created();
  let kept: LockedContainer | undefined;
  await container.locked((held) => {
    kept = held;
  });
  expect(() => kept?.apply(launched)).toThrow('is not held any more');
  expect(container.state.status).toBe('created');
});
