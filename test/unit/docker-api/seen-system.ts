// What the service tells of a host and an engine, for tests.
import type { SeenSystem } from '../../../daemon/containers/system-service.ts';

export const seenSystem: SeenSystem = {
  ...{ engineId: 'engine', version: '0.1.0', labels: ['a=b'], isDebug: false },
  registries: { insecureCidrs: ['127.0.0.0/8'], insecureHosts: ['r:5000'], mirrors: ['https://m/'], proxies: {} },
  ...{ containers: { all: 6, running: 2, paused: 1 }, images: 4 },
  ...{ networkDrivers: ['bridge'], logDrivers: ['json-file'], logDriver: 'json-file' },
  cgroups: {
    ...{ driver: 'cgroupfs', version: 2 },
    features: {
      ...{
        MemoryLimit: true,
        SwapLimit: false,
        MemoryReservation: true,
        MemorySwappiness: false,
        OomKillDisable: false,
      },
      ...{ CpuCfsPeriod: true, CpuCfsQuota: true, CPUShares: true, CPUSet: true, PidsLimit: true, BlkioWeight: true },
      ...{ BlkioWeightDevice: true, BlkioReadBpsDevice: true, BlkioWriteBpsDevice: true, BlkioReadIOpsDevice: true },
      ...{ BlkioWriteIOpsDevice: true, Devices: true, Freezer: true, cpus: '0-1', mems: '0', cpuCount: 2 },
    },
  },
  forwarding: { ipv4Forwarding: true, ipv6Forwarding: false, warnings: [] },
  ...{ openFiles: 30, time: new Date(0), eventListeners: 1, dataRoot: '/var/lib/tsdocker' },
  host: {
    ...{ name: 'host', kernelVersion: '6.1', osName: undefined, osVersion: '12', architecture: 'x64' },
    ...{ processors: 2, memoryBytes: 1 << 30, hasSeccomp: true },
  },
  warnings: ['WARNING: No AppArmor support'],
};
