// What follows from the end of a run when the host does not play along.

import { describe, expect, test, vi } from 'vitest';
import { concludeRun } from '../../../../daemon/containers/lifecycle/conclude-run.ts';
import { deleteContainer } from '../../../../daemon/containers/lifecycle/delete-container.ts';
import { hasExited } from '../../../../daemon/containers/lifecycle/end-run.ts';
import { EnginePaths } from '../../../../daemon/containers/paths.ts';
import type { HostConfig } from '../../../../daemon/docker-types/host-config.ts';
import { EventLog } from '../../../../daemon/state/event-log.ts';
import { specOf } from '../../spec/spec-of.ts';
import { containerOf } from '../container-of.ts';

const exit = { code: 3, signal: 0, startedNs: 1n, finishedNs: 2n, oomKilled: false };

function setUp(hostConfig: HostConfig) {
  const spec = specOf(hostConfig, { Image: 'i' });
  const container = containerOf({ spec }, { status: 'running', cgroupPath: `/p/${'c'.repeat(64)}` });
  const store = { saveState: vi.fn(), delete: vi.fn(), all: () => [].values(), find: () => undefined };
  const cgroups = { remove: vi.fn(async () => undefined), kill: vi.fn(async () => undefined), groupOf: () => '/p/c' };
  const runs = { remove: vi.fn() };
  const services = {
    ...{ store, cgroups, runs, layers: { remove: vi.fn() }, volumes: { removeWith: vi.fn() } },
    paths: new EnginePaths('/nowhere/data', '/nowhere/run'),
    events: new EventLog(),
    networks: { sandboxes: { connections: () => [], end: async () => undefined } },
    cgroupParent: '/p',
    log: { warn: vi.fn(), error: vi.fn() },
  };
  const conclude = () =>
    container.locked(async (held) => {
      const { kind } = await concludeRun(services, held, { exit }, 255);
      if (kind === 'removal') await deleteContainer(services, held, true);
    });
  return { container, conclude, store, cgroups, runs };
}

describe('the end of a run', () => {
  test('a cgroup that does not go keeps nobody waiting for the removal', async () => {
    const { container, conclude, cgroups } = setUp({ AutoRemove: true });
    cgroups.remove.mockRejectedValue(new Error('EBUSY'));
    const removed = container.wait('removed').result;
    await conclude();
    expect(await removed).toEqual({ StatusCode: 3 });
  });

  test('an end that cannot be stored leaves its record to the next daemon', async () => {
    const { container, conclude, store, runs } = setUp({});
    store.saveState.mockImplementation(() => {
      throw new Error('database or disk is full');
    });
    await conclude();
    expect(container.state).toMatchObject({ status: 'exited', exitCode: 3 });
    expect(runs.remove).not.toHaveBeenCalled();
  });

  test('one that is stored leaves nothing', async () => {
    const { container, conclude, runs } = setUp({});
    await conclude();
    expect(runs.remove).toHaveBeenCalledWith(container.id);
  });

  test('is told when the attached clients have the output, and does not wait long for one that stands still', async () => {
    vi.useFakeTimers();
    try {
      const { container, conclude } = setUp({});
      const isTold = vi.fn();
      void container.wait('next-exit').result.then(isTold);
      const delivered = container.addAttached();
      const first = conclude();
      await vi.advanceTimersByTimeAsync(900);
      expect(isTold).not.toHaveBeenCalled();
      delivered();
      await first;
      expect(isTold).toHaveBeenCalled();

      container.addAttached();
      const second = container.wait('next-exit').result;
      const end = conclude();
      await vi.advanceTimersByTimeAsync(1000);
      await end;
      expect(await second).toEqual({ StatusCode: 3 });
    } finally {
      vi.useRealTimers();
    }
  });

  test('a removal that cannot be stored can be asked for again', async () => {
    const { container, conclude, store } = setUp({ AutoRemove: true });
    store.delete.mockImplementation(() => {
      throw new Error('database or disk is full');
    });
    await expect(conclude()).rejects.toThrow('full');
    expect(container.isRemoving).toBe(false);
  });
});

test('a wait that is longer than any timer does not end at once', async () => {
  const { container } = setUp({});
  container.exited = new Promise((resolve) => setTimeout(resolve, 200));
  expect(await hasExited(container, 2 ** 31)).toBe(true);
});
