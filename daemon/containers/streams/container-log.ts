// A container's log as its driver has it.
import type { LogSubject } from '../../logs/drivers/log-details.ts';
import type { ContainerLog } from '../../logs/drivers/log-driver.ts';
import type { LogPlace } from '../../logs/format/log-directory.ts';
import type { LogWriter } from '../../logs/reader/log-writer.ts';
import type { ContainerSpec } from '../../spec/container-spec.ts';
import type { Container } from '../container.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { Needs } from '../needs.ts';

/** See needs.ts. */
export type ContainerLogNeeds = Needs<'log.warn' | 'logs.configure' | 'paths.logs'>;

/** Throws 'invalid' or 'not-implemented'. */
export function containerLog({ logs }: ContainerLogNeeds, { log }: Pick<ContainerSpec, 'log'>): ContainerLog {
  return logs.configure(log);
}

export function logSubject({ id, name, imageId, spec }: ContainerRecord): LogSubject {
  const { imageName: image, process, labels } = spec;
  return { id, name, imageId, image, command: process.args, labels, environment: process.env };
}

/** Gives the run to the driver, if it wants it. Never throws: a container does not depend on where its log is carried. */
export function followLog(services: ContainerLogNeeds, container: Container, writer: LogWriter, from?: LogPlace): void {
  const { id, record } = container;
  try {
    const subject = logSubject(record);
    const directory = services.paths.logs(id);
    const onError = (err: unknown) =>
      services.log.warn({ err, container: id }, 'the log driver of a running container failed');
    containerLog(services, record.spec).follow?.({ containerId: id, directory, subject, from, writer, onError });
  } catch (error) {
    services.log.warn(
      { err: error, container: id, name: record.name },
      'cannot give the log of a run to its driver: the container goes on',
    );
  }
}
