// What is done before a run is ended on request.
import { expect, test, vi } from 'vitest';
import { markStopped } from '../../../../daemon/containers/lifecycle/end-run.ts';
import { containerOf } from '../container-of.ts';

const services = { store: { saveState: vi.fn() }, log: { warn: vi.fn() } };

test('a mark that waits behind somebody’s long work does not keep the signal back, and is there before the end is told', async () => {
  const container = containerOf({}, { status: 'running' });
  const { promise: work, resolve: finish } = Promise.withResolvers<void>();
  const long = container.locked(() => work);
  await markStopped(services, container);
  expect(container.state.stoppedByUser).toBe(false);
  const atTheEnd = container.locked(() => container.state.stoppedByUser);
  finish();
  await long;
  expect(await atTheEnd).toBe(true);
});

test('a mark that nobody is in the way of is there at once', async () => {
  const container = containerOf({}, { status: 'running' });
  await markStopped(services, container);
  expect(container.state.stoppedByUser).toBe(true);
  expect(services.store.saveState).toHaveBeenCalledOnce();
});
