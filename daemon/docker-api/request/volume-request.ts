// What POST /volumes/create asks for, in our words.
import type { VolumeCreateRequest } from '../../docker-types/volume.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { VolumeRequest } from '../../volumes/volume-record.ts';

/** Throws 'unavailable' for a volume of swarm. */
export function volumeRequest(body: VolumeCreateRequest): VolumeRequest {
  if (body.ClusterVolumeSpec) {
    throw new EngineError('unavailable', 'This node is not a swarm manager: cluster volumes belong to swarm');
  }
  const { Name: name = '', Driver: driver = '', DriverOpts: options = null, Labels: labels = null } = body;
  return { name, driver, options, labels };
}
