// A container's log as its driver has it.
import type { HostConfig } from '../docker-types/host-config.ts';
import type { LogSubject } from '../logs/drivers/log-details.ts';
import type { ContainerLog } from '../logs/drivers/log-driver.ts';
import type { LogPlace } from '../logs/format/log-directory.ts';
import type { MonitorClient } from '../runtime/monitor-client.ts';
import type { Container } from './container.ts';
import type { ContainerRecord } from './container-record.ts';
import type { Services } from './services.ts';

/** Throws 'invalid' or 'not-implemented'. */
export function containerLog({ logs }: Services, { LogConfig }: Pick<HostConfig, 'LogConfig'>): ContainerLog {
  return logs.configure({ driver: LogConfig?.Type || 'json-file', options: LogConfig?.Config ?? {} });
}

export function logSubject({ id, name, imageId, config }: ContainerRecord): LogSubject {
  const { Image, Entrypoint, Cmd, Labels, Env } = config;
  const command = [...(Entrypoint ?? []), ...(Cmd ?? [])];
  return { id, name, imageId, image: Image, command, labels: Labels, environment: Env };
}

/** Gives the run to the driver, if it wants it. Never throws: a container does not depend on where its log is carried. */
export function followLog(services: Services, container: Container, writer: MonitorClient, from?: LogPlace): void {
  const { id, record } = container;
  try {
    const subject = logSubject(record);
    const directory = services.paths.logs(id);
    containerLog(services, record.hostConfig).follow?.({ containerId: id, directory, subject, from, writer });
  } catch (error) {
    services.log.warn({ err: error, container: id }, 'give the log of a run to its driver');
  }
}
