// Containers for tests: whole records, of which a test says what it is about.
import { Container } from '../../../daemon/containers/container.ts';
import { type ContainerRecord, unreadableRecord } from '../../../daemon/containers/container-record.ts';
import { type ContainerState, newState } from '../../../daemon/containers/lifecycle/container-state.ts';

export function containerOf(record: Partial<ContainerRecord> = {}, state: Partial<ContainerState> = {}): Container {
  const { id = 'c'.repeat(64), name = 'c', createdNs = '1', imageId = 'sha256:0' } = record;
  const whole = { ...unreadableRecord({ id, name, createdNs, imageId }), ...record };
  return new Container(whole, { ...newState(), ...state });
}
