// What docker's clients see of volumes.
import type { Volume, VolumePruneResponse } from '../../docker-types/volume.ts';
import { localDriver } from '../../volumes/volume-record.ts';
import type { MeasuredVolume, PrunedVolumes, SeenVolume } from '../../volumes/volume-service.ts';

/** Docker's Volume object. */
export function volumeView({ record, mountpoint }: SeenVolume): Volume {
  return {
    CreatedAt: new Date(Number(BigInt(record.createdNs) / 1_000_000n)).toISOString().replace(/\.\d+/, ''),
    Driver: localDriver,
    Labels: record.labels,
    Mountpoint: mountpoint,
    Name: record.name,
    Options: record.options,
    Scope: 'local',
  };
}

/** As GET /system/df has it. */
export function volumeUsageView(volume: MeasuredVolume): Volume {
  return { ...volumeView(volume), UsageData: { Size: volume.sizeBytes ?? -1, RefCount: volume.users } };
}

/** POST /volumes/prune. */
export function volumePruneView({ removed, reclaimedBytes }: PrunedVolumes): VolumePruneResponse {
  return { VolumesDeleted: [...removed], SpaceReclaimed: reclaimedBytes };
}
