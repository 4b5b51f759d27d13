import type { ContainerUpdateResponse } from '../../../daemon/docker-types/container-actions.ts';
import { boolFlag, bytesFlag, integerFlag, parsedFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { parseNanoCpus } from '../../../daemon/protocols/units/go-numbers.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { CliError, joinErrors } from '../../errors.ts';
import { parseRestartPolicy } from '../../options/validators.ts';

export const update = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Update configuration of one or more containers',
  aliases: ['container update', 'update'],
  flags: {
    blkioWeight: integerFlag(
      'blkio-weight',
      'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)',
      { kind: 'uint16' },
    ),
    cpuPeriod: integerFlag('cpu-period', 'Limit CPU CFS (Completely Fair Scheduler) period'),
    cpuQuota: integerFlag('cpu-quota', 'Limit CPU CFS (Completely Fair Scheduler) quota'),
    cpuRtPeriod: integerFlag('cpu-rt-period', 'Limit the CPU real-time period in microseconds'),
    cpuRtRuntime: integerFlag('cpu-rt-runtime', 'Limit the CPU real-time runtime in microseconds'),
    cpuShares: integerFlag('cpu-shares,c', 'CPU shares (relative weight)'),
    cpus: parsedFlag('cpus', 'Number of CPUs', parseNanoCpus, { typeName: 'decimal', initial: 0 }),
    cpusetCpus: stringFlag('cpuset-cpus', 'CPUs in which to allow execution (0-3, 0,1)'),
    cpusetMems: stringFlag('cpuset-mems', 'MEMs in which to allow execution (0-3, 0,1)'),
    memory: bytesFlag('memory,m', 'Memory limit'),
    memoryReservation: bytesFlag('memory-reservation', 'Memory soft limit'),
    memorySwap: bytesFlag('memory-swap', 'Swap limit equal to memory plus swap: -1 to enable unlimited swap', {
      unlimited: true,
    }),
    pidsLimit: integerFlag('pids-limit', 'Tune container pids limit (set -1 for unlimited)'),
    restart: stringFlag('restart', 'Restart policy to apply when a container exits'),
    restartUnhealthy: boolFlag('restart-unhealthy', 'Restart the container when it turns unhealthy'),
  },
  arguments: atLeast(1),
  async run({ cli, flags, args, changed }) {
    if (changed.size === 0) throw new CliError('you must provide one or more flags when using this command');
    const json = {
      CpuShares: flags.cpuShares,
      Memory: flags.memory,
      NanoCpus: flags.cpus,
      CgroupParent: '',
      BlkioWeight: flags.blkioWeight,
      BlkioWeightDevice: null,
      BlkioDeviceReadBps: null,
      BlkioDeviceWriteBps: null,
      BlkioDeviceReadIOps: null,
      BlkioDeviceWriteIOps: null,
      CpuPeriod: flags.cpuPeriod,
      CpuQuota: flags.cpuQuota,
      CpuRealtimePeriod: flags.cpuRtPeriod,
      CpuRealtimeRuntime: flags.cpuRtRuntime,
      CpusetCpus: flags.cpusetCpus,
      CpusetMems: flags.cpusetMems,
      Devices: null,
      DeviceCgroupRules: null,
      DeviceRequests: null,
      MemoryReservation: flags.memoryReservation,
      MemorySwap: flags.memorySwap,
      MemorySwappiness: null,
      OomKillDisable: null,
      PidsLimit: changed.has('pids-limit') ? flags.pidsLimit : null,
      Ulimits: null,
      CpuCount: 0,
      CpuPercent: 0,
      IOMaximumIOps: 0,
      IOMaximumBandwidth: 0,
      RestartPolicy: parseRestartPolicy(flags.restart),
      ...(changed.has('restart-unhealthy') ? { RestartUnhealthy: flags.restartUnhealthy } : {}),
    };
    const errors: unknown[] = [];
    const warnings: string[] = [];
    for (const name of args) {
      try {
        const response = await cli.client.post<ContainerUpdateResponse>(`/containers/${segment(name)}/update`, {
          json,
        });
        cli.out.line(name);
        warnings.push(...(response.Warnings ?? []));
      } catch (error) {
        errors.push(error);
      }
    }
    if (warnings.length > 0) cli.out.line(warnings.join('\n'));
    if (errors.length > 0) throw joinErrors(errors);
    return 0;
  },
});
