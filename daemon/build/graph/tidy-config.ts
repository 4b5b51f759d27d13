// The config of an image as BuildKit writes it: what the image spec and docker have words for, and nothing that is empty.
import type { ContainerConfig } from '../../docker-types/container-config.ts';

const keys = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
  'Healthcheck',
  'OnBuild',
  'Shell',
] as const;

/** Leaves out what is a container's (`Hostname`, `Tty`, `Image`), which images of old builders have in their configs. */
export function tidyConfig(config: ContainerConfig): ContainerConfig {
  return Object.fromEntries(keys.flatMap((key) => (isEmpty(config[key]) ? [] : [[key, config[key]]])));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
