// What is done before a run is ended on request.
import { expect, test, vi } from 'vitest';
import { markStopped } from '../../../../daemon/containers/lifecycle/end-run.ts';
import { containerOf } from '../container-of.ts';

const services = { store: { saveState: vi.fn() }, log: { warn: vi.fn() } };

test('the mark waits for who has the lock, and is stored before any signal', async () => {
  const container = containerOf({}, { status: 'running' });
  const { promise: work, resolve: finish } = Promise.withResolvers<void>();
  const long = container.locked(() => work);
  const marked = markStopped(services, container);
  await Promise.resolve();
  expect(container.state.stoppedByUser).toBe(false);
  finish();
  await long;
  await marked;
  expect(container.state.stoppedByUser).toBe(true);
  expect(services.store.saveState).toHaveBeenCalledOnce();
});
