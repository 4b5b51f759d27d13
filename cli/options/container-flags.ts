// The flags that `run` and `create` share. Texts are docker's.
import {
  boolFlag,
  bytesFlag,
  durationFlag,
  integerFlag,
  listFlag,
  parsedFlag,
  parsedListFlag,
  stringFlag,
} from '../../daemon/protocols/flags/flag.ts';
import { parseNanoCpus } from '../../daemon/protocols/units/go-numbers.ts';
import { contentTrustFlag } from './content-trust.ts';
import { parseBytesRate, parseGpus, parseOperationsRate, parseWeight, validateDeviceRule } from './devices.ts';
import { parseMount } from './mount.ts';
import { type NetworkAttachment, parseNetwork } from './network.ts';
import { platformFlag } from './platform.ts';
import {
  parseUlimit,
  validateAttach,
  validateDnsSearch,
  validateExtraHost,
  validateIp,
  validateLink,
  validateSysctl,
} from './validators.ts';
import { validateLabel, validateVariable } from './variables.ts';

const emptyList = { typeName: 'list', defaultText: '[]' };
const networkType = { typeName: 'network' };
const connectUsage = 'Connect a container to a network';
const aliasUsage = 'Add network-scoped alias for the container';
const dnsOptionUsage = 'Set DNS options';

const generalFlags = {
  attach: listFlag('attach,a', 'Attach to STDIN, STDOUT or STDERR', { validate: validateAttach }),
  annotation: listFlag('annotation', 'Add an annotation to the container (passed through to the OCI runtime)', {
    typeName: 'map',
    defaultText: 'map[]',
  }),
  cidfile: stringFlag('cidfile', 'Write the container ID to the file'),
  domainname: stringFlag('domainname', 'Container NIS domain name'),
  entrypoint: stringFlag('entrypoint', 'Overwrite the default ENTRYPOINT of the image'),
  env: listFlag('env,e', 'Set environment variables', { validate: validateVariable }),
  envFile: listFlag('env-file', 'Read in a file of environment variables'),
  gpus: parsedListFlag('gpus', "GPU devices to add to the container ('all' to pass all GPUs)", parseGpus, {
    typeName: 'gpu-request',
  }),
  groupAdd: listFlag('group-add', 'Add additional groups to join'),
  hostname: stringFlag('hostname,h', 'Container host name'),
  init: boolFlag('init', 'Run an init inside the container that forwards signals and reaps processes'),
  interactive: boolFlag('interactive,i', 'Keep STDIN open even if not attached'),
  label: listFlag('label,l', 'Set meta data on a container', { validate: validateLabel }),
  labelFile: listFlag('label-file', 'Read in a line delimited file of labels'),
  platform: platformFlag(),
  readOnly: boolFlag('read-only', "Mount the container's root filesystem as read only"),
  restart: stringFlag('restart', 'Restart policy to apply when a container exits', { initial: 'no' }),
  restartUnhealthy: boolFlag('restart-unhealthy', 'Restart the container when it turns unhealthy'),
  rm: boolFlag('rm', 'Automatically remove the container and its associated anonymous volumes when it exits'),
  stopSignal: stringFlag('stop-signal', 'Signal to stop the container'),
  stopTimeout: integerFlag('stop-timeout', 'Timeout (in seconds) to stop a container'),
  sysctl: listFlag('sysctl', 'Sysctl options', { typeName: 'map', defaultText: 'map[]', validate: validateSysctl }),
  tty: boolFlag('tty,t', 'Allocate a pseudo-TTY'),
  ulimit: parsedListFlag('ulimit', 'Ulimit options', parseUlimit, { typeName: 'ulimit', defaultText: '[]' }),
  useApiSocket: boolFlag('use-api-socket', 'Bind mount Docker API socket and required auth'),
  user: stringFlag('user,u', 'Username or UID (format: <name|uid>[:<group|gid>])'),
  workdir: stringFlag('workdir,w', 'Working directory inside the container'),
};

const securityFlags = {
  capAdd: listFlag('cap-add', 'Add Linux capabilities'),
  capDrop: listFlag('cap-drop', 'Drop Linux capabilities'),
  cgroupParent: stringFlag('cgroup-parent', 'Optional parent cgroup for the container'),
  cgroupns: stringFlag(
    'cgroupns',
    `Cgroup namespace to use (host|private)
'host':    Run the container in the Docker host's cgroup namespace
'private': Run the container in its own private cgroup namespace
'':        Use the cgroup namespace as configured by the
           default-cgroupns-mode option on the daemon (default)`,
  ),
  device: listFlag('device', 'Add a host device to the container'),
  deviceCgroupRule: listFlag('device-cgroup-rule', 'Add a rule to the cgroup allowed devices list', {
    validate: validateDeviceRule,
  }),
  disableContentTrust: contentTrustFlag('verification'),
  ipc: stringFlag('ipc', 'IPC mode to use'),
  isolation: stringFlag('isolation', 'Container isolation technology'),
  pid: stringFlag('pid', 'PID namespace to use'),
  privileged: boolFlag('privileged', 'Give extended privileges to this container'),
  runtime: stringFlag('runtime', 'Runtime to use for this container'),
  securityOpt: listFlag('security-opt', 'Security Options'),
  userns: stringFlag('userns', 'User namespace to use'),
  uts: stringFlag('uts', 'UTS namespace to use'),
};

const networkFlags = {
  addHost: listFlag('add-host', 'Add a custom host-to-IP mapping (host:ip)', { validate: validateExtraHost }),
  dns: listFlag('dns', 'Set custom DNS servers', { validate: validateIp }),
  dnsOpt: listFlag('dns-opt', dnsOptionUsage, { hidden: true }),
  dnsOption: listFlag('dns-option', dnsOptionUsage),
  dnsSearch: listFlag('dns-search', 'Set custom DNS search domains', { validate: validateDnsSearch }),
  expose: listFlag('expose', 'Expose a port or a range of ports'),
  ip: stringFlag('ip', 'IPv4 address (e.g., 172.30.100.104)'),
  ip6: stringFlag('ip6', 'IPv6 address (e.g., 2001:db8::33)'),
  link: listFlag('link', 'Add link to another container', { validate: validateLink }),
  linkLocalIp: listFlag('link-local-ip', 'Container IPv4/IPv6 link-local addresses'),
  macAddress: stringFlag('mac-address', 'Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
  net: parsedListFlag<NetworkAttachment>('net', connectUsage, parseNetwork, { ...networkType, hidden: true }),
  network: parsedListFlag<NetworkAttachment>('network', connectUsage, parseNetwork, networkType),
  netAlias: listFlag('net-alias', aliasUsage, { hidden: true }),
  networkAlias: listFlag('network-alias', aliasUsage),
  publish: listFlag('publish,p', "Publish a container's port(s) to the host"),
  publishAll: boolFlag('publish-all,P', 'Publish all exposed ports to random ports'),
};

const storageFlags = {
  logDriver: stringFlag('log-driver', 'Logging driver for the container'),
  logOpt: listFlag('log-opt', 'Log driver options'),
  mount: parsedListFlag('mount', 'Attach a filesystem mount to the container', parseMount, { typeName: 'mount' }),
  storageOpt: listFlag('storage-opt', 'Storage driver options for the container'),
  tmpfs: listFlag('tmpfs', 'Mount a tmpfs directory'),
  volume: listFlag('volume,v', 'Bind mount a volume'),
  volumeDriver: stringFlag('volume-driver', 'Optional volume driver for the container'),
  volumesFrom: listFlag('volumes-from', 'Mount volumes from the specified container(s)'),
};

const healthFlags = {
  healthCmd: stringFlag('health-cmd', 'Command to run to check health'),
  healthInterval: durationFlag('health-interval', 'Time between running the check (ms|s|m|h) (default 0s)'),
  healthRetries: integerFlag('health-retries', 'Consecutive failures needed to report unhealthy'),
  healthStartInterval: durationFlag(
    'health-start-interval',
    'Time between running the check during the start period (ms|s|m|h) (default 0s)',
  ),
  healthStartPeriod: durationFlag(
    'health-start-period',
    'Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)',
  ),
  healthTimeout: durationFlag('health-timeout', 'Maximum time to allow one check to run (ms|s|m|h) (default 0s)'),
  noHealthcheck: boolFlag('no-healthcheck', 'Disable any container-specified HEALTHCHECK'),
};

const resourceFlags = {
  blkioWeight: integerFlag(
    'blkio-weight',
    'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)',
    { kind: 'uint16' },
  ),
  blkioWeightDevice: parsedListFlag(
    'blkio-weight-device',
    'Block IO weight (relative device weight)',
    parseWeight,
    emptyList,
  ),
  cpuCount: integerFlag('cpu-count', 'CPU count (Windows only)'),
  cpuPercent: integerFlag('cpu-percent', 'CPU percent (Windows only)'),
  cpuPeriod: integerFlag('cpu-period', 'Limit CPU CFS (Completely Fair Scheduler) period'),
  cpuQuota: integerFlag('cpu-quota', 'Limit CPU CFS (Completely Fair Scheduler) quota'),
  cpuRtPeriod: integerFlag('cpu-rt-period', 'Limit CPU real-time period in microseconds'),
  cpuRtRuntime: integerFlag('cpu-rt-runtime', 'Limit CPU real-time runtime in microseconds'),
  cpuShares: integerFlag('cpu-shares,c', 'CPU shares (relative weight)'),
  cpus: parsedFlag('cpus', 'Number of CPUs', parseNanoCpus, { typeName: 'decimal', initial: 0 }),
  cpusetCpus: stringFlag('cpuset-cpus', 'CPUs in which to allow execution (0-3, 0,1)'),
  cpusetMems: stringFlag('cpuset-mems', 'MEMs in which to allow execution (0-3, 0,1)'),
  deviceReadBps: parsedListFlag(
    'device-read-bps',
    'Limit read rate (bytes per second) from a device',
    parseBytesRate,
    emptyList,
  ),
  deviceReadIops: parsedListFlag(
    'device-read-iops',
    'Limit read rate (IO per second) from a device',
    parseOperationsRate,
    emptyList,
  ),
  deviceWriteBps: parsedListFlag(
    'device-write-bps',
    'Limit write rate (bytes per second) to a device',
    parseBytesRate,
    emptyList,
  ),
  deviceWriteIops: parsedListFlag(
    'device-write-iops',
    'Limit write rate (IO per second) to a device',
    parseOperationsRate,
    emptyList,
  ),
  ioMaxbandwidth: bytesFlag('io-maxbandwidth', 'Maximum IO bandwidth limit for the system drive (Windows only)'),
  ioMaxiops: integerFlag('io-maxiops', 'Maximum IOps limit for the system drive (Windows only)', { kind: 'uint' }),
  kernelMemory: bytesFlag('kernel-memory', 'Kernel memory limit'),
  memory: bytesFlag('memory,m', 'Memory limit'),
  memoryReservation: bytesFlag('memory-reservation', 'Memory soft limit'),
  memorySwap: bytesFlag('memory-swap', "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", {
    unlimited: true,
  }),
  memorySwappiness: integerFlag('memory-swappiness', 'Tune container memory swappiness (0 to 100)', { initial: -1 }),
  oomKillDisable: boolFlag('oom-kill-disable', 'Disable OOM Killer'),
  oomScoreAdj: integerFlag('oom-score-adj', "Tune host's OOM preferences (-1000 to 1000)"),
  pidsLimit: integerFlag('pids-limit', 'Tune container pids limit (set -1 for unlimited)'),
  shmSize: bytesFlag('shm-size', 'Size of /dev/shm'),
};

export const containerFlags = {
  ...generalFlags,
  ...securityFlags,
  ...networkFlags,
  ...storageFlags,
  ...healthFlags,
  ...resourceFlags,
  name: stringFlag('name', 'Assign a name to the container'),
  quiet: boolFlag('quiet,q', 'Suppress the pull output'),
};
