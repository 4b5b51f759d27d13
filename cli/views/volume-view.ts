// A volume in a list: what `volume ls` and `system df -v` show of it.
import type { Volume } from '../../daemon/docker-types/volume.ts';
import { humanSize } from '../../daemon/protocols/units/human-units.ts';
import { Struct } from '../template/values.ts';

export const volumeTable = 'table {{.Driver}}\\t{{.Name}}';

export const volumeHeaders: Record<string, string> = {
  Availability: 'AVAILABILITY',
  Driver: 'DRIVER',
  Group: 'GROUP',
  Labels: 'LABELS',
  Links: 'LINKS',
  Mountpoint: 'MOUNTPOINT',
  Name: 'VOLUME NAME',
  Scope: 'SCOPE',
  Size: 'SIZE',
  Status: 'STATUS',
};

/** Cluster volumes belong to swarm: their columns are there, and empty. */
export function volumeView(volume: Volume): Struct {
  const labels = volume.Labels ?? {};
  const { UsageData: usage } = volume;
  return new Struct(
    '*formatter.volumeContext',
    {
      Availability: () => 'N/A',
      Driver: () => volume.Driver,
      Group: () => 'N/A',
      Labels: () =>
        Object.entries(labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(','),
      Links: () => (usage ? String(usage.RefCount) : 'N/A'),
      Mountpoint: () => volume.Mountpoint,
      Name: () => volume.Name,
      Scope: () => volume.Scope,
      Size: () => (usage && usage.Size >= 0 ? humanSize(usage.Size) : 'N/A'),
      Status: () => 'N/A',
    },
    { Label: (key) => (Object.hasOwn(labels, String(key)) ? labels[String(key)] : '') },
  );
}
