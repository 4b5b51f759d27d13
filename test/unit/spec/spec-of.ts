// Specs for tests, by the only way there is to make one.
import type { ResolvedConfig } from '../../../daemon/docker-types/container-config.ts';
import type { HostConfig } from '../../../daemon/docker-types/host-config.ts';
import type { ContainerSpec } from '../../../daemon/spec/container-spec.ts';
import { specFromDocker } from '../../../daemon/spec/docker/from-docker.ts';
import { parseMounts } from '../../../daemon/spec/docker/parse-mounts.ts';

export function specOf(hostConfig: HostConfig = {}, config: Partial<ResolvedConfig> = {}): ContainerSpec {
  return specFromDocker({ config, hostConfig }, parseMounts(hostConfig, { Volumes: null, ...config }));
}
